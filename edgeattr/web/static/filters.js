// Which people are shown.

import {byId, element} from "./dom.js";
import {attributeName, streamName} from "./words.js";

export class Filters {
  constructor(changed) {
    this.form = byId("filters");
    this.changed = changed;
    this.form.addEventListener("input", () => this.apply());
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.form.addEventListener("reset", () => setTimeout(() => this.apply()));
    this.apply();
  }

  get(name) {
    return this.form.elements[name].value;
  }

  // Choose one camera or attribute, or all again where it is chosen already.
  toggle(name, value) {
    this.form.elements[name].value = this.get(name) === value ? "" : value;
    this.apply();
  }

  apply() {
    this.form.elements.answer.disabled = !this.get("attribute");
    byId("clear").disabled = !this.isActive;
    this.changed?.();
  }

  get showsNo() {
    return this.form.elements.no.checked;
  }

  get isActive() {
    return Boolean(this.get("text").trim() || this.get("stream") || this.get("attribute"));
  }

  offer(streams, attributes) {
    fill(this.form.elements.stream, streams, streamName);
    fill(this.form.elements.attribute, attributes, attributeName);
  }

  matches(person) {
    const stream = this.get("stream");
    if (stream && person.stream !== stream) return false;
    const attribute = this.get("attribute");
    if (attribute && person.attributes[attribute]?.answer !== this.get("answer")) return false;
    const text = plain(this.get("text").trim());
    if (!text) return true;
    const yes = Object.keys(person.attributes).filter((name) => person.attributes[name].answer === "yes");
    return [person.stream, ...yes].some((name) => plain(name).includes(text));
  }
}

// Names as they are compared: "long_hair" and "Long hair" are the same.
function plain(text) {
  return attributeName(text).toLowerCase();
}

// The options of a list, the first left alone; what is chosen stays on offer.
function fill(select, names, shown) {
  const wanted = names.includes(select.value) || !select.value ? names : [select.value, ...names];
  const now = [...select.options].slice(1).map((option) => option.value);
  if (JSON.stringify(now) === JSON.stringify(wanted)) return;
  const chosen = select.value;
  select.replaceChildren(select.options[0], ...wanted.map((name) => element("option", {value: name, text: shown(name)})));
  select.value = chosen;
}
