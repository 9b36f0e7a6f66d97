// Alerts on top, and how many people are in zones and crossed lines.

import {labelItem} from "./card.js";
import {byId, element, setText} from "./dom.js";
import {clockTime, count, streamName} from "./words.js";

export function showAlerts(state) {
  const alerts = state.alerts ?? [];
  byId("alerts-panel").hidden = !alerts.length;
  setText(byId("alerts-count"), count(alerts.length));
  renew(byId("alerts"), alerts, alertRow);
}

export function showPlaces(state) {
  const zones = (state.zones ?? []).map((zone) => ({...zone, name: zone.zone, said: `${count(zone.inside)} in it, ${count(zone.entered)} entered`, busy: zone.inside > 0}));
  const lines = (state.lines ?? []).map((line) => ({...line, name: line.line, said: `${count(line.in)} in, ${count(line.out)} out`, busy: false}));
  const places = [...zones, ...lines];
  byId("places-panel").hidden = !places.length;
  renew(byId("places"), places, placeRow);
}

function alertRow(alert) {
  const why = [alert.why].flat().join(", ");
  const zone = alert.zone && !why.includes(alert.zone) ? ` in ${alert.zone}` : "";
  return element(
    "li",
    {},
    element("strong", {text: alert.alert}),
    element("a", {href: `person?id=${encodeURIComponent(alert.person)}`, text: `${streamName(alert.stream)} #${alert.track}`, title: alert.stream}),
    element("span", {text: clockTime(alert.time ?? alert.told) + zone}),
    element("span", {text: why}),
    element("ul", {class: "labels", "aria-label": "what tells this person from others"}, ...(alert.labels ?? []).map((text) => labelItem(text))),
  );
}

function placeRow(it) {
  return element(
    "li",
    {},
    element("strong", {text: it.name}),
    element("span", {class: "quiet", text: streamName(it.stream), title: it.stream}),
    element("span", {class: it.busy ? "busy" : "", text: it.said}),
  );
}

// Rows anew where anything has changed: a screen reader shall not hear all of it each second.
function renew(list, entries, row) {
  const told = JSON.stringify(entries);
  if (list.told === told) return;
  list.told = told;
  list.replaceChildren(...entries.map(row));
}
