// One person: when, where, what is known of them with probabilities, and the pictures that were kept.

import {byId, element, setText} from "./dom.js";
import {answerRow, labelItem} from "./card.js";
import {length, plural, streamName, when} from "./words.js";

const PARTS = {upper_body: "top", lower_body: "bottom"}; // as labels call them

const id = new URLSearchParams(location.search).get("id") ?? "";
load();

async function load() {
  try {
    const answer = await fetch(`api/people/${encodeURIComponent(id)}`);
    const person = await answer.json();
    if (answer.ok) show(person);
    else setText(byId("when"), answer.status === 404 ? "Nobody of that number is known any more." : person.error);
  } catch {
    setText(byId("when"), "edgeattr does not answer. Load the page again when it runs.");
  }
}

function show(person) {
  const name = `${streamName(person.stream)} #${person.track}`;
  setText(byId("name"), name);
  document.title = `${name} · edgeattr`;
  setText(byId("when"), when(person) + (person.in_view ? " · in view now" : ""));
  byId("person").hidden = false;
  const chances = labelChances(person);
  byId("labels").replaceChildren(...(person.labels ?? []).map((text) => labelItem(text, chances.get(text))));
  if (!person.labels?.length) byId("labels").replaceChildren(element("li", {text: "nothing"}));
  showAnswers(Object.entries(person.attributes));
  showZones(Object.entries(person.zones ?? {}));
  setText(byId("basis"), `${plural(person.crops_classified, "crop", "crops")} read in ${plural(person.frames, "frame", "frames")}`);
  if (person.picture) byId("pictures").replaceChildren(picture(person.picture, "Best crop of this person"));
  byId("evidence").hidden = !person.evidence;
  if (person.evidence) byId("evidence-link").href = person.evidence;
}

// Probabilities by label: a colour's from the colours, others from the attributes.
function labelChances(person) {
  const chances = new Map(Object.entries(person.attributes).map(([name, {p}]) => [name.replaceAll("_", " "), p]));
  for (const [part, {name, p}] of Object.entries(person.colours ?? {})) chances.set(`${name} ${PARTS[part] ?? part}`.replaceAll("_", " "), p);
  return chances;
}

function showAnswers(entries) {
  for (const answer of ["yes", "unknown", "no"]) {
    const having = entries.filter(([, value]) => value.answer === answer).sort(([, a], [, b]) => b.p - a.p);
    byId(answer).replaceChildren(...having.map(([name, {p}]) => answerRow(name, p, answer)));
    if (answer === "no") setText(byId("no-summary"), `${having.length} answered no`);
  }
}

function showZones(zones) {
  byId("zones-panel").hidden = !zones.length;
  byId("zones").replaceChildren(...zones.map(([name, seconds]) => element("div", {}, element("dt", {text: name}), element("dd", {text: length(seconds)}))));
}

// A picture is deleted when its time is over; then its place is given up.
function picture(source, text) {
  const image = element("img", {src: source, alt: text});
  const figure = element("figure", {}, image, element("figcaption", {text}));
  image.addEventListener("error", () => figure.remove());
  return figure;
}
