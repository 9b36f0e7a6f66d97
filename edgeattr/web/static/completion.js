// Completes the word at the cursor of a query: a combobox with a list (ARIA 1.2).

import {element} from "./dom.js";

const KEYWORDS = {
  and: "both hold", or: "one holds", not: "answered no", "is yes": "answer", "is not yes": "answer", "is unknown": "answer", "in zone ": "place", "crossed ": "place",
  "stream = ": "camera", "last 2h": "time", "since ": "time", "before ": "time", "between ": "time", today: "time", yesterday: "time", "seen > 10s": "how long",
};
const MOST = 9; // suggestions

export class Completion {
  constructor(input, list) {
    this.input = input;
    this.list = list;
    this.words = Object.entries(KEYWORDS).map(([text, kind]) => ({text, kind}));
    this.chosen = -1;
    input.addEventListener("input", () => this.suggest());
    input.addEventListener("keydown", (event) => this.key(event));
    input.addEventListener("blur", () => this.close());
    list.addEventListener("pointerdown", (event) => {
      event.preventDefault(); // the input keeps the focus
      const row = event.target.closest("li");
      if (row) this.take([...list.children].indexOf(row));
    });
  }

  // names: {"attributes", "streams", "zones", "lines"} that queries can have.
  learn({attributes = [], streams = [], zones = [], lines = []}) {
    const quoted = (name) => `"${name.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
    this.words = [
      ...attributes.map((name) => ({text: /^[a-z_][\w-]*$/i.test(name) ? name : quoted(name), kind: "attribute"})),
      ...Object.entries(KEYWORDS).map(([text, kind]) => ({text, kind})),
      ...streams.map((name) => ({text: `stream = ${quoted(name)}`, kind: "camera"})),
      ...zones.map((name) => ({text: `in zone ${quoted(name)}`, kind: "zone"})),
      ...lines.map((name) => ({text: `crossed ${quoted(name)}`, kind: "line"})),
    ];
    if (this.input === document.activeElement && this.word()) this.suggest(); // typed before the names were here
  }

  suggest() {
    const word = this.word().toLowerCase();
    const starts = (text) => text.toLowerCase().startsWith(word);
    const inside = (text) => text.toLowerCase().split(/[_\W]+/).some((part) => part.startsWith(word));
    const fitting = word ? this.words.filter(({text}) => (starts(text) || inside(text)) && text.toLowerCase() !== word) : [];
    this.found = fitting.sort((a, b) => starts(b.text) - starts(a.text)).slice(0, MOST);
    this.list.replaceChildren(...this.found.map(({text, kind}, place) => element(
      "li", {id: `suggestion-${place}`, role: "option", "aria-selected": "false"}, element("span", {text}), element("span", {class: "quiet", text: kind}),
    )));
    this.open(this.found.length > 0);
  }

  // The word before the cursor.
  word() {
    return this.input.value.slice(0, this.input.selectionStart).match(/[\w-]*$/)[0];
  }

  key(event) {
    if (this.list.hidden) return;
    const step = {ArrowDown: 1, ArrowUp: -1}[event.key];
    if (step) this.choose((this.chosen + step + this.found.length + (step < 0 && this.chosen < 0 ? 1 : 0)) % this.found.length);
    else if ((event.key === "Enter" || event.key === "Tab") && this.chosen >= 0) this.take(this.chosen);
    else if (event.key === "Escape") this.close();
    else return;
    event.preventDefault();
  }

  choose(place) {
    this.chosen = place;
    [...this.list.children].forEach((row, at) => row.setAttribute("aria-selected", String(at === place)));
    this.input.setAttribute("aria-activedescendant", `suggestion-${place}`);
    this.list.children[place].scrollIntoView({block: "nearest"});
  }

  take(place) {
    const end = this.input.selectionStart;
    const text = this.found[place].text.endsWith(" ") ? this.found[place].text : `${this.found[place].text} `;
    this.input.setRangeText(text, end - this.word().length, end, "end");
    this.close();
    this.input.focus();
  }

  open(open) {
    this.chosen = -1;
    this.list.hidden = !open;
    this.input.setAttribute("aria-expanded", String(open));
    this.input.removeAttribute("aria-activedescendant");
  }

  close() {
    this.open(false);
  }
}
