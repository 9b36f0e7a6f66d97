// All people that the page knows, and the cards of those that are shown.

import {arrange, byId, setText} from "./dom.js";
import {Card} from "./card.js";
import {count} from "./words.js";

const FIRST = 48; // cards of people who have left, before more are asked for

export class People {
  constructor(filters) {
    this.filters = filters;
    this.known = new Map(); // by id, the latest change last
    this.cards = new Map();
    this.limit = FIRST;
    this.held = null; // while paused: the people of that moment
    byId("more").addEventListener("click", () => {
      this.limit += FIRST;
      this.show();
    });
    byId("pause").addEventListener("click", () => this.pause(!this.held));
  }

  pause(paused) {
    this.held = paused ? [...this.known.values()] : null;
    byId("pause").setAttribute("aria-pressed", String(paused));
    setText(byId("pause"), paused ? "Resume" : "Pause");
    this.soon();
  }

  inView(stream) {
    let found = 0;
    for (const person of this.known.values()) if (person.in_view && person.stream === stream) found += 1;
    return found;
  }

  clear() {
    this.known.clear();
    this.soon();
  }

  add(people) {
    for (const person of people) {
      this.known.delete(person.id);
      this.known.set(person.id, person);
    }
    this.soon();
  }

  remove(ids) {
    for (const id of ids) this.known.delete(id);
    this.soon();
  }

  // Once for all that comes together.
  soon() {
    if (this.held) return;
    this.asked ??= requestAnimationFrame(() => this.show());
    // a page in the background draws nothing; it shall be right when it is looked at
    if (document.hidden) setTimeout(() => this.asked && this.show(), 500);
  }

  show() {
    cancelAnimationFrame(this.asked);
    this.asked = undefined;
    const all = [...(this.held ?? this.known.values())].reverse();
    const matching = all.filter((person) => this.filters.matches(person));
    const present = matching.filter((person) => person.in_view).sort(laterFirst);
    const past = matching.filter((person) => !person.in_view);
    const shown = past.slice(0, this.limit);
    this.openNo();
    const wanted = new Set([...present, ...shown].map((person) => person.id));
    for (const id of [...this.cards.keys()]) if (!wanted.has(id)) this.cards.delete(id);
    arrange(byId("present"), present.map((person) => this.card(person)));
    arrange(byId("past"), shown.map((person) => this.card(person)));
    this.say(all.length, matching.length, present.length, past.length);
  }

  card(person) {
    let card = this.cards.get(person.id);
    if (!card) {
      card = new Card(person);
      card.details.open = this.filters.showsNo;
      this.cards.set(person.id, card);
    }
    if (card.person !== person) card.update(person);
    return card.node;
  }

  // All cards as the switch was set; each may be opened and closed by itself after that.
  openNo() {
    if (this.no === this.filters.showsNo) return;
    this.no = this.filters.showsNo;
    for (const card of this.cards.values()) card.details.open = this.no;
  }

  say(all, matching, present, past) {
    const filtered = this.filters.isActive;
    setText(byId("matching"), filtered ? `${count(matching)} of ${count(all)} people match` : "");
    setText(byId("present-count"), count(present));
    setText(byId("past-count"), count(past));
    byId("present-none").hidden = present > 0;
    byId("past-none").hidden = past > 0;
    setText(byId("present-none"), filtered ? "Nobody in view matches." : "Nobody is in view.");
    setText(byId("past-none"), filtered ? "Nobody seen before matches." : "People appear here when they have left the picture.");
    byId("more").hidden = past <= this.limit;
    setText(byId("more"), `Show more (${count(Math.max(0, past - this.limit))} left)`);
  }
}

function laterFirst(a, b) {
  if (a.appeared !== b.appeared) return a.appeared < b.appeared ? 1 : -1;
  return a.id < b.id ? -1 : 1;
}
