// How often each attribute was answered yes and unknown; first those that tell people apart.

import {arrange, byId, element, Rows, setText} from "./dom.js";
import {attributeName, count} from "./words.js";

const FEW = 8; // rows before all are asked for

export class Attributes {
  // choose: called with the name of an attribute that was clicked.
  constructor(choose) {
    this.rows = new Rows((name) => makeRow(name, choose));
    this.all = false;
    byId("attributes-all").addEventListener("click", () => {
      this.all = !this.all;
      this.show(this.state, this.chosen);
    });
  }

  show(state, chosen) {
    this.state = state;
    this.chosen = chosen;
    const people = state.counts.people_since_start;
    const sorted = [...state.counts.attributes].sort((a, b) => b.tells - a.tells || b.yes - a.yes);
    const shown = this.all ? sorted : sorted.slice(0, FEW);
    arrange(byId("attributes"), people ? shown.map((one) => this.row(one, people, chosen)) : []);
    byId("attributes-none").hidden = people > 0;
    const button = byId("attributes-all");
    button.hidden = !people || sorted.length <= FEW;
    setText(button, this.all ? "Show fewer" : `Show all ${sorted.length}`);
    button.setAttribute("aria-expanded", String(this.all));
  }

  row(one, people, chosen) {
    const row = this.rows.get(one.name);
    const pressed = String(chosen === one.name);
    if (row.parts.button.getAttribute("aria-pressed") !== pressed) row.parts.button.setAttribute("aria-pressed", pressed);
    setText(row.parts.count, count(one.yes));
    row.parts.button.title = `${count(one.yes)} yes, ${count(one.unknown)} unknown, ${count(one.no)} no`;
    row.parts.yes.style.width = `${(100 * one.yes) / people}%`;
    row.parts.unknown.style.width = `${(100 * one.unknown) / people}%`;
    return row;
  }
}

function makeRow(name, choose) {
  const yes = element("span", {class: "filled yes"});
  const unknown = element("span", {class: "filled unknown"});
  const number = element("span", {class: "number"});
  const button = element(
    "button",
    {type: "button", "aria-pressed": "false"},
    element("span", {class: "name", text: attributeName(name)}),
    number,
    element("span", {class: "bar", "aria-hidden": "true"}, yes, unknown),
  );
  button.addEventListener("click", () => choose(name));
  const row = element("li", {class: "attribute"}, button);
  row.parts = {button, count: number, yes, unknown};
  return row;
}
