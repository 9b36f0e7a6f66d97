// Making and changing elements. Text is set as text, never as markup.

export const byId = (id) => document.getElementById(id);

// element("p", {class: "note", text: "hello"}, child, ...)
export function element(tag, {text, ...attributes} = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  made.append(...children);
  return made;
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setTone(node, tone) {
  if (node.dataset.tone !== tone) node.dataset.tone = tone;
}

// A bar whose filled part is a share of 0 to 1. What it shows stands beside it as text.
export function bar(kind, share) {
  const filled = element("span", {class: `filled ${kind}`});
  filled.style.width = `${Math.round(100 * share)}%`;
  return element("span", {class: "bar", "aria-hidden": "true"}, filled);
}

// Put nodes under a parent in this order, moving only those that stand elsewhere.
export function arrange(parent, nodes) {
  const wanted = new Set(nodes);
  const focused = document.activeElement;
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  nodes.forEach((node, place) => {
    if (parent.children[place] !== node) parent.insertBefore(node, parent.children[place] ?? null);
  });
  if (focused !== document.activeElement && focused?.isConnected) focused.focus({preventScroll: true});
}

// Elements by name, made when first asked for.
export class Rows {
  constructor(make) {
    this.make = make;
    this.known = new Map();
  }

  get(name) {
    if (!this.known.has(name)) this.known.set(name, this.make(name));
    return this.known.get(name);
  }

  keep(names) {
    const wanted = new Set(names);
    for (const name of [...this.known.keys()]) if (!wanted.has(name)) this.known.delete(name);
  }
}
