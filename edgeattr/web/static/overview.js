// The figures on top, what needs attention, and how outputs are doing.

import {arrange, byId, element, Rows, setText, setTone} from "./dom.js";
import {count, moment, plural} from "./words.js";

const outputs = new Rows(() => {
  const row = element("li", {class: "output"}, element("span", {class: "name"}), element("span", {class: "fact"}), element("p", {class: "error"}));
  return row;
});

export function showOverview(state, inView) {
  const {counts, streams} = state;
  const sum = (key) => streams.reduce((total, stream) => total + stream[key], 0);
  const running = streams.filter((stream) => stream.state === "running");
  setText(byId("figure-view"), count(counts.people_in_view));
  const places = streams.filter((stream) => inView(stream.stream) > 0).length;
  setText(byId("figure-where"), counts.people_in_view ? `on ${plural(places, "camera", "cameras")}` : "");
  setText(byId("figure-today"), count(counts.people_today));
  setText(byId("figure-all"), count(counts.people_since_start));
  setText(byId("figure-started"), `started ${moment(new Date(state.started))}`);
  setText(byId("figure-crops"), count(counts.crops_classified));
  const share = counts.crops_seen ? Math.round((100 * counts.crops_classified) / counts.crops_seen) : 0;
  setText(byId("figure-seen"), `${share} % of ${count(counts.crops_seen)} seen`);
  const rate = running.reduce((total, stream) => total + stream.frames_per_second, 0);
  setText(byId("figure-rate"), rate.toFixed(1));
  setText(byId("figure-dropped"), `${count(sum("dropped_frames"))} dropped`);
  const all = showHealth(state, running.length);
  document.title = `${all ? "⚠ " : ""}${counts.people_in_view} in view · edgeattr`;
}

function showHealth(state, running) {
  const reasons = [...state.reasons];
  const troubles = state.unopened.map(({stream, error}) => `${stream}: could not be opened (${error})`);
  const failed = state.streams.filter((stream) => !stream.live && stream.state === "failed");
  troubles.push(...failed.map(({stream, error}) => `${stream}: failed (${error})`));
  const all = [...reasons, ...troubles];
  setText(byId("health"), all.length ? plural(all.length, "problem", "problems") : "All well");
  setTone(byId("health"), all.length ? "bad" : "good");
  const ended = state.streams.filter((stream) => stream.state === "ended").length;
  const well = state.streams.length && ended === state.streams.length
    ? "All sources have ended." : `${plural(running, "source runs", "sources run")}${state.sinks.length ? ", all outputs write" : ""}.`;
  setText(byId("verdict"), state.healthy ? well : reasons.join("\n"));
  setTone(byId("verdict"), state.healthy ? "good" : "bad");
  byId("problems").hidden = !all.length;
  const list = byId("problems-list");
  if ([...list.children].map((row) => row.textContent).join("\n") !== all.join("\n")) {
    list.replaceChildren(...all.map((text) => element("li", {text})));
  }
  showOutputs(state.sinks);
  setText(byId("about"), `edgeattr ${state.version}`);
  return all.length;
}

function showOutputs(sinks) {
  outputs.keep(sinks.map((sink) => sink.name));
  arrange(byId("outputs"), sinks.map((sink) => {
    const row = outputs.get(sink.name);
    const [name, fact, error] = row.children;
    const waiting = sink.delivery?.waiting ? ` · ${count(sink.delivery.waiting)} waiting` : "";
    const lost = sink.failed ? ` · ${count(sink.failed)} lost` : "";
    setText(name, sink.name);
    setText(fact, `${count(sink.written)} written${waiting}${lost}`);
    setText(error, sink.trouble ?? "");
    setTone(row, sink.trouble ? "bad" : "good");
    return row;
  }));
}
