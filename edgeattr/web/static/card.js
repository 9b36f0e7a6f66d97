// One person as a card, changed in place while they are in view.

import {bar, element, setText} from "./dom.js";
import {attributeName, percent, plural, streamName, when} from "./words.js";

export class Card {
  constructor(person) {
    this.parts = {
      name: element("span", {class: "name"}),
      track: element("span"),
      badge: element("span", {class: "badge", text: "in view"}),
      when: element("p", {class: "when"}),
      yes: element("ul", {class: "answers yeses", "aria-label": "yes"}),
      unknown: element("ul", {class: "answers unknowns", "aria-label": "not certain"}),
      summary: element("summary"),
      no: element("p", {class: "nos"}),
      basis: element("p", {class: "basis"}),
    };
    const {name, track, badge, yes, unknown, summary, no, basis} = this.parts;
    this.details = element("details", {}, summary, no);
    this.foot = element("div", {class: "foot"}, this.details, basis);
    this.body = element("div", {class: "body"}, element("header", {}, element("h3", {}, name, track), badge), this.parts.when, yes, unknown, this.foot);
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
    const told = JSON.stringify(person.attributes);
    if (told !== this.told) {
      this.told = told;
      this.answers(Object.entries(person.attributes));
    }
  }

  answers(entries) {
    const {yes, unknown, summary, no} = this.parts;
    const having = (answer) => entries.filter(([, value]) => value.answer === answer);
    yes.replaceChildren(...having("yes").map(([name, {p}]) => row(name, p, "yes")));
    unknown.replaceChildren(...having("unknown").map(([name, {p}]) => row(name, p, "unknown")));
    const nos = having("no");
    setText(summary, `${nos.length} no`);
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

function row(name, p, answer) {
  return element(
    "li",
    {},
    element("span", {class: "name", text: answer === "yes" ? attributeName(name) : `${attributeName(name)}?`}),
    bar(answer, p),
    element("span", {class: "p", text: percent(p)}),
  );
}
