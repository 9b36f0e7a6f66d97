// The list of cameras: how each is doing, and what is wrong.

import {arrange, byId, element, Rows, setText, setTone} from "./dom.js";
import {count, streamName} from "./words.js";

const TONES = {running: "good", connecting: "warn", stalled: "bad", failed: "bad", ended: "quiet"};
const MANY = 3; // cameras
const FACTS = ["frames/s", "people", "dropped", "reconnects"];

export class Cameras {
  // choose: called with the name of a camera that was clicked.
  constructor(choose) {
    this.rows = new Rows((name) => makeRow(name, choose));
  }

  show(state, chosen) {
    const known = [...state.streams, ...state.unopened.map((one) => ({...one, state: "failed"}))];
    this.rows.keep(known.map((stream) => stream.stream));
    arrange(byId("cameras"), known.map((stream) => this.row(stream, chosen)));
    this.fold(known.length);
    byId("cameras-none").hidden = known.length > 0;
    const running = known.filter((stream) => stream.state === "running").length;
    setText(byId("cameras-count"), known.length ? `${running} of ${known.length} running` : "");
  }

  // On a phone a long list begins folded: people come first, and what is wrong stands above.
  fold(cameras) {
    if (this.folded || !cameras) return;
    this.folded = true;
    if (cameras > MANY && matchMedia("(max-width: 560px)").matches) byId("cameras-panel").open = false;
  }

  row(stream, chosen) {
    const row = this.rows.get(stream.stream);
    setTone(row, TONES[stream.state] ?? "quiet");
    const pressed = String(chosen === stream.stream);
    if (row.parts.name.getAttribute("aria-pressed") !== pressed) row.parts.name.setAttribute("aria-pressed", pressed);
    setText(row.parts.state, stream.state);
    const values = [
      stream.state === "running" ? stream.frames_per_second.toFixed(1) : "–",
      count(stream.people ?? 0),
      count(stream.dropped_frames ?? 0),
      count(stream.reconnects ?? 0),
    ];
    values.forEach((value, place) => setText(row.parts.values[place], value));
    for (const place of [2, 3]) setTone(row.parts.values[place], values[place] === "0" ? "quiet" : "warn");
    setText(row.parts.error, stream.error ?? "");
    return row;
  }
}

function makeRow(name, choose) {
  const title = element("button", {type: "button", class: "name", text: streamName(name), title: name, "aria-pressed": "false"});
  title.addEventListener("click", () => choose(name));
  const state = element("span", {class: "state"});
  const values = FACTS.map(() => element("dd"));
  const facts = element("dl", {class: "facts"}, ...FACTS.map((fact, place) => element("div", {}, element("dt", {text: fact}), values[place])));
  const error = element("p", {class: "error"});
  const row = element("li", {class: "camera"}, element("div", {class: "line"}, title, state), facts, error);
  row.parts = {name: title, state, values, error};
  return row;
}
