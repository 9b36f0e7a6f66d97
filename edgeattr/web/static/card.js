// One person as a card, changed in place while they are in view.

import {bar, element, setText} from "./dom.js";
import {attributeName, percent, plural, streamName, when} from "./words.js";

const COLOURS = new Set(["black", "white", "grey", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown"]);

export class Card {
  constructor(person) {
    this.parts = {
      name: element("a", {class: "name", href: `person?id=${encodeURIComponent(person.id)}`}),
      track: element("span"),
      badge: element("span", {class: "badge", text: "in view"}),
      when: element("p", {class: "when"}),
      labels: element("ul", {class: "labels", "aria-label": "what tells this person from others"}),
      yes: element("ul", {class: "answers yeses", "aria-label": "yes"}),
      unknown: element("ul", {class: "answers unknowns", "aria-label": "not certain"}),
      summary: element("summary"),
      no: element("p", {class: "nos"}),
      basis: element("p", {class: "basis"}),
    };
    const {name, track, badge, labels, yes, unknown, summary, no, basis} = this.parts;
    this.details = element("details", {}, summary, yes, unknown, no);
    this.foot = element("div", {class: "foot"}, this.details, basis);
    this.body = element("div", {class: "body"}, element("header", {}, element("h3", {}, name, track), badge), this.parts.when, labels, this.foot);
    this.node = element("article", {class: "card"}, this.body);
    this.update(person);
  }

  update(person) {
    const {parts} = this;
    this.person = person;
    setText(parts.name, streamName(person.stream));
    setText(parts.track, ` #${person.track}`);
    if (parts.name.title !== person.stream) parts.name.title = person.stream;
    parts.badge.hidden = !person.in_view;
    this.node.classList.toggle("present", person.in_view);
    setText(parts.when, when(person));
    setText(parts.basis, plural(person.crops_classified, "crop read", "crops read"));
    this.picture(person.picture);
    const told = JSON.stringify([person.labels, person.attributes]);
    if (told !== this.told) {
      this.told = told;
      this.parts.labels.replaceChildren(...(person.labels ?? []).map((text) => labelItem(text)));
      this.answers(Object.entries(person.attributes));
    }
  }

  answers(entries) {
    const {yes, unknown, summary, no} = this.parts;
    const having = (answer) => entries.filter(([, value]) => value.answer === answer);
    yes.replaceChildren(...having("yes").map(([name, {p}]) => answerRow(name, p, "yes")));
    unknown.replaceChildren(...having("unknown").map(([name, {p}]) => answerRow(name, p, "unknown")));
    const nos = having("no");
    setText(summary, `${having("yes").length} yes, ${having("unknown").length} not certain, ${nos.length} no`);
    setText(no, nos.map(([name]) => attributeName(name)).join(", "));
  }

  // A picture is deleted when its time is over; then its place is given up.
  picture(source) {
    if (!source || this.image) return;
    this.image = element("img", {
      class: "picture", src: source, alt: `Best crop of this person`, loading: "lazy", decoding: "async", width: "88", height: "176",
    });
    this.image.addEventListener("error", () => this.node.classList.add("without"));
    this.node.prepend(this.image);
  }
}

// "red top" with a swatch of its colour; other labels are words alone. With its probability, if given.
export function labelItem(text, p) {
  const colour = text.split(" ", 1)[0];
  const swatch = COLOURS.has(colour) ? [element("span", {class: `swatch ${colour}`, "aria-hidden": "true"})] : [];
  const chance = p === undefined ? [] : [element("span", {class: "p", text: percent(p)})];
  return element("li", {}, ...swatch, element("span", {text}), ...chance);
}

export function answerRow(name, p, answer) {
  return element(
    "li",
    {},
    element("span", {class: "name", text: answer === "unknown" ? `${attributeName(name)}?` : attributeName(name)}),
    bar(answer, p),
    element("span", {class: "p", text: percent(p)}),
  );
}
