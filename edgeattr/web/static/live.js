// Live pictures of cameras: asked for once a second while they are looked at, and not before.

import {arrange, byId, element, Rows, setText} from "./dom.js";
import {streamName} from "./words.js";

const BETWEEN = 1000; // milliseconds between two pictures of a camera

export class LivePictures {
  constructor() {
    this.on = false;
    this.tiles = new Rows(makeTile);
    this.shown = [];
    byId("live-toggle").addEventListener("click", () => this.turn(!this.on));
    setInterval(() => this.ask(), BETWEEN);
  }

  turn(on) {
    this.on = on;
    byId("live-toggle").setAttribute("aria-pressed", String(on));
    setText(byId("live-toggle"), on ? "Hide pictures" : "Show pictures");
    byId("live-pictures").hidden = !on;
    this.ask();
  }

  show(state) {
    byId("live-panel").hidden = !state.live_pictures;
    const streams = state.streams.filter((stream) => stream.state !== "ended" && stream.state !== "failed");
    this.tiles.keep(streams.map((stream) => stream.stream));
    this.shown = streams.map((stream) => this.tiles.get(stream.stream));
    streams.forEach((stream, place) => {
      const {width, height} = stream;
      if (width && height) this.shown[place].image.style.aspectRatio = `${width} / ${height}`;
    });
    arrange(byId("live-pictures"), this.shown);
    if (!streams.length && this.on) setText(byId("live-title"), "Live pictures: no camera runs");
    else setText(byId("live-title"), "Live pictures");
  }

  ask() {
    if (!this.on || document.hidden) return;
    for (const tile of this.shown) {
      if (tile.waits || !isVisible(tile)) continue;
      tile.waits = true;
      tile.image.src = `live.jpg?stream=${encodeURIComponent(tile.stream)}&at=${Date.now()}`;
    }
  }
}

function isVisible(node) {
  const {top, bottom} = node.getBoundingClientRect();
  return bottom > 0 && top < innerHeight;
}

function makeTile(stream) {
  const image = element("img", {alt: `Live picture of ${streamName(stream)}`});
  const none = element("p", {class: "none", text: "No picture yet"});
  const tile = element("li", {class: "tile empty"}, image, none, element("p", {class: "name", text: streamName(stream), title: stream}));
  const ended = (event) => {
    tile.waits = false;
    tile.classList.toggle("empty", event.type === "error");
    setText(none, "No picture now");
  };
  image.addEventListener("load", ended);
  image.addEventListener("error", ended);
  Object.assign(tile, {image, stream, waits: false});
  return tile;
}
