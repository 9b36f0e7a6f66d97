// The editor of zones and lines: points by mouse, touch, keys or numbers; what comes out is text to paste.

import {byId, element, setText, setTone} from "./dom.js";
import {streamName} from "./words.js";
import {problemOf, round, tomlOf} from "./shapes.js";

const SVG = "http://www.w3.org/2000/svg";
const NEAR = 0.025; // of the picture: a press this close takes a point up
const STEPS = [0.01, 0.05]; // of an arrow key, without and with Shift
const WAYS = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};

const stage = byId("stage");
const shapes = [];
let current, cross = [0.5, 0.5], held = null, streams = [];

begin();
await learn();

function begin() {
  addShape();
  for (const id of ["kind", "anchor", "shape-name"]) byId(id).addEventListener("input", read);
  byId("another").addEventListener("click", addShape);
  byId("add").addEventListener("click", () => add([0.5, 0.5]));
  byId("delete").addEventListener("click", remove);
  byId("picture").addEventListener("click", newPicture);
  byId("camera").addEventListener("change", newPicture);
  byId("copy").addEventListener("click", copy);
  byId("options").addEventListener("submit", (event) => event.preventDefault());
  byId("background").addEventListener("load", () => { byId("background").hidden = false; });
  byId("background").addEventListener("error", () => { byId("background").hidden = true; });
  stage.addEventListener("keydown", key);
  stage.addEventListener("pointerdown", press);
  stage.addEventListener("pointermove", (event) => held !== null && move(held, at(event)));
  stage.addEventListener("pointerup", () => { held = null; });
}

// Which cameras there are, and whether their pictures may be seen.
async function learn() {
  try {
    const state = await (await fetch("api/state")).json();
    streams = state.streams;
    byId("picture").hidden = !state.live_pictures;
    byId("camera").replaceChildren(...streams.map(({stream}) => element("option", {value: stream, text: streamName(stream)})));
    newPicture();
  } catch {
    say("edgeattr does not answer: no camera is known. Drawing works all the same.", "bad");
  }
}

function newPicture() {
  const name = byId("camera").value;
  const stream = streams.find((one) => one.stream === name);
  if (stream?.width) stage.style.aspectRatio = `${stream.width} / ${stream.height}`;
  if (!byId("picture").hidden && stream) byId("background").src = `live.jpg?stream=${encodeURIComponent(name)}&at=${Date.now()}`;
  show();
}

function addShape() {
  const kind = byId("kind").value;
  const taken = new Set(shapes.map((shape) => shape.name));
  let number = 1;
  while (taken.has(`${kind} ${number}`)) number += 1;
  current = {kind, name: `${kind} ${number}`, anchor: byId("anchor").value, points: []};
  shapes.push(current);
  take(current);
}

function take(shape) {
  current = shape;
  byId("kind").value = shape.kind;
  byId("anchor").value = shape.anchor;
  byId("shape-name").value = shape.name;
  show();
}

function remove() {
  shapes.splice(shapes.indexOf(current), 1);
  if (shapes.length) take(shapes.at(-1));
  else addShape();
  say("The shape is deleted.");
}

function read() {
  current.kind = byId("kind").value;
  current.anchor = byId("anchor").value;
  current.name = byId("shape-name").value.trim();
  if (current.kind === "line") current.points.length = Math.min(2, current.points.length);
  show();
}

function key(event) {
  const way = WAYS[event.key];
  if (way) cross = cross.map((value, axis) => clip(value + way[axis] * STEPS[Number(event.shiftKey)]));
  else if (event.key === "Enter") add(cross);
  else if (event.key === "Backspace" || event.key === "Delete") current.points.pop();
  else return;
  event.preventDefault();
  show();
  say(way ? `Cross at ${cross.map(round).join(", ")}.` : `${current.points.length} points.`);
}

function press(event) {
  event.preventDefault();
  stage.focus();
  stage.setPointerCapture(event.pointerId);
  const [x, y] = at(event);
  cross = [x, y];
  held = current.points.findIndex((point) => Math.hypot(point[0] - x, point[1] - y) < NEAR);
  if (held >= 0) return;
  held = add([x, y]) ? current.points.length - 1 : null;
}

function at(event) {
  const {left, top, width, height} = stage.getBoundingClientRect();
  return [clip((event.clientX - left) / width), clip((event.clientY - top) / height)];
}

function add(point) {
  if (current.kind === "line" && current.points.length === 2) {
    say("A line has two points: drag one, or begin the next shape.", "bad");
    return false;
  }
  current.points.push(point.map(round));
  say(`Point ${current.points.length} at ${current.points.at(-1).join(", ")}.`);
  show();
  return true;
}

function move(place, point) {
  if (!current.points[place]) return;
  current.points[place] = point.map(round);
  show();
}

function show() {
  draw();
  fields();
  setText(byId("shape-count"), `of ${current.name || "the shape"}`);
  byId("shapes").replaceChildren(...shapes.map(shapeButton));
  const problems = shapes.map((shape) => problemOf(shape, shapes)).filter(Boolean);
  byId("toml").value = tomlOf(shapes.filter((shape) => !problemOf(shape, shapes)));
  const begun = shapes.some((shape) => shape.points.length);
  if (problems.length && begun) say(problems[0], "bad");
  else if (begun) say("The text below is ready to be pasted.", "good");
}

function shapeButton(shape) {
  const button = element("button", {type: "button", "aria-pressed": String(shape === current), text: shape.name || "(no name)"});
  button.addEventListener("click", () => take(shape));
  return element("li", {}, button);
}

// Number fields of the points; kept while they are typed into.
function fields() {
  const list = byId("points");
  while (list.children.length > current.points.length) list.lastChild.remove();
  while (list.children.length < current.points.length) list.append(pointRow(list.children.length));
  current.points.forEach((point, place) => {
    [...list.children[place].querySelectorAll("input")].forEach((field, axis) => {
      if (field !== document.activeElement) field.value = point[axis];
    });
  });
}

function pointRow(place) {
  const number = (axis) => {
    const field = element("input", {type: "number", min: "0", max: "1", step: "0.01", "aria-label": `Point ${place + 1}, ${"xy"[axis]}`});
    field.addEventListener("input", () => {
      const point = [...current.points[place]];
      point[axis] = clip(Number(field.value));
      move(place, point);
    });
    return element("label", {}, "xy"[axis], field);
  };
  const away = element("button", {type: "button", "aria-label": `Take point ${place + 1} away`, text: "×"});
  away.addEventListener("click", () => {
    current.points.splice(place, 1);
    show();
  });
  return element("li", {}, number(0), number(1), away);
}

function draw() {
  const parts = shapes.flatMap((shape) => outline(shape, shape === current));
  const corners = current.points.map(([x, y]) => svg("ellipse", {class: "corner", cx: 1000 * x, cy: 1000 * y, ...radii()}));
  const [x, y] = cross.map((value) => 1000 * value);
  const marks = [svg("path", {class: "cross", d: `M${x - 14} ${y}h28M${x} ${y - 22}v44`})];
  byId("drawing").replaceChildren(...parts, ...corners, ...marks);
}

function outline(shape, isCurrent) {
  const points = shape.points.map((point) => point.map((value) => 1000 * value).join(",")).join(" ");
  const tag = shape.kind === "zone" ? "polygon" : "polyline";
  const names = `shape ${shape.kind} ${isCurrent ? "" : "other"}`;
  return [svg(tag, {class: "edge", points}), svg(tag, {class: names, points})];
}

// A circle on the screen, whatever the picture's aspect.
function radii() {
  const {width, height} = stage.getBoundingClientRect();
  return {rx: 6000 / Math.max(1, width), ry: 6000 / Math.max(1, height)};
}

function svg(tag, attributes) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

async function copy() {
  byId("toml").select();
  try {
    await navigator.clipboard.writeText(byId("toml").value);
    say("Copied.", "good");
  } catch { // over plain HTTP browsers have no clipboard
    say("The text is selected: press Ctrl+C.");
  }
}

function say(text, tone = "quiet") {
  setText(byId("said"), text);
  setTone(byId("said"), tone);
}

function clip(value) {
  return Math.min(1, Math.max(0, value || 0));
}
