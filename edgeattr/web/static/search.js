// Search in the store with the language of `edgeattr find`: completed while typing, errors under the word.

import {Card} from "./card.js";
import {Completion} from "./completion.js";
import {byId, element, setText} from "./dom.js";
import {count, plural} from "./words.js";

const MOST = 60; // people shown

const input = byId("query");
const completion = new Completion(input, byId("suggestions"));
byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  completion.close();
  search();
});
addEventListener("popstate", begin);
begin();
learn();

function begin() {
  const asked = new URLSearchParams(location.search).get("query");
  input.value = asked ?? "";
  if (asked !== null) search(false);
}

async function learn() {
  const [answer, names] = await ask("api/names");
  if (answer?.ok) completion.learn(names);
  else if (names) problem(names.error === undefined ? "" : noStore(answer, names));
}

async function search(remember = true) {
  const query = input.value;
  if (remember) history.pushState(null, "", `search?${new URLSearchParams({query})}`);
  setText(byId("matching"), "Searching …");
  const [answer, found] = await ask(`api/search?${new URLSearchParams({query, limit: MOST})}`);
  problem("");
  byId("found").replaceChildren();
  byId("found-title").hidden = true;
  setText(byId("matching"), "");
  if (!found) problem("edgeattr does not answer; is it still running?");
  else if (answer.ok) show(found);
  else if (found.span) wrongWord(query, found);
  else problem(noStore(answer, found));
}

function show({matching, people}) {
  const shown = people.length < matching ? `, the latest ${count(people.length)} are shown` : "";
  setText(byId("matching"), matching ? `${plural(matching, "person matches", "people match")}${shown}` : "Nobody matches.");
  byId("found-title").hidden = !matching;
  byId("found").replaceChildren(...people.map((person) => new Card(person).node));
}

async function ask(address) {
  try {
    const answer = await fetch(address);
    return [answer, await answer.json()];
  } catch {
    return [null, null];
  }
}

function noStore(answer, {error}) {
  return answer.status === 404 ? "Nothing is kept to search in: start edgeattr run with --store people.sqlite." : error;
}

function problem(text) {
  byId("problem").hidden = !text;
  input.setAttribute("aria-invalid", String(Boolean(text)));
  byId("problem").replaceChildren(text);
}

// The query again with the wrong word marked, and what is wrong under it.
function wrongWord(query, {error, span: [start, end]}) {
  const told = error.replace(/; it has: .*$/s, "; type a few letters and choose");
  const signs = Array.from(query.trim());
  problem(told);
  if (!signs.length || end > signs.length + 1) return;
  const word = signs.slice(start, end).join("") || "…"; // the query ends too early
  const parts = [signs.slice(0, start).join(""), element("mark", {text: word}), signs.slice(end).join("")];
  byId("problem").replaceChildren(element("code", {}, ...parts), element("p", {text: told}));
}
