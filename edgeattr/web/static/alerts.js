// Alerts on top, and how many people are in zones and crossed lines.

import {byId, element, setText} from "./dom.js";
import {clockTime, count, place, plural, streamName} from "./words.js";

// find: the person of a stream and track, where the page knows them.
export function showAlerts(state, find) {
  const alerts = state.alerts ?? [];
  byId("alerts-panel").hidden = !alerts.length;
  setText(byId("alerts-count"), plural(alerts.length, "latest", "latest"));
  renew(byId("alerts"), alerts.map((alert) => [alert, find(alert.stream, alert.track)?.id]), ([alert, id]) => alertRow(alert, id));
}

export function showPlaces(state) {
  const zones = (state.zones ?? []).map((zone) => ({...zone, name: zone.zone, said: `${count(zone.inside)} in it, ${count(zone.entered)} entered`, busy: zone.inside > 0}));
  const lines = (state.lines ?? []).map((line) => ({...line, name: line.line, said: `${count(line.in)} in, ${count(line.out)} out`, busy: false}));
  const places = [...zones, ...lines];
  byId("places-panel").hidden = !places.length;
  renew(byId("places"), places, placeRow);
}

function alertRow(alert, id) {
  const why = typeof alert.why === "string" ? alert.why : Object.values(alert.why ?? {}).join(", ");
  const who = alert.track === undefined || alert.track === null ? [] : [personLink(alert.track, id)];
  return element(
    "li",
    {},
    element("strong", {text: alert.alert}),
    element("span", {text: streamName(alert.stream), title: alert.stream}),
    element("span", {class: "quiet", text: `${clockTime(alert.told)} · ${place(alert.at_s ?? 0)} into the stream`}),
    element("span", {text: why}),
    ...who,
  );
}

function personLink(track, id) {
  const text = `person ${track}`;
  return id ? element("a", {href: `person?id=${encodeURIComponent(id)}`, text}) : element("span", {text});
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
