// Numbers, moments and names as people read them.

const whole = new Intl.NumberFormat("en");
const clock = new Intl.DateTimeFormat(undefined, {hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false});
const day = new Intl.DateTimeFormat(undefined, {day: "numeric", month: "short"});

export const count = (value) => whole.format(value);
export const plural = (value, one, many) => `${count(value)} ${value === 1 ? one : many}`;
// Of a file its name alone; the whole stands where the mouse rests.
export const streamName = (name) => (/^[^<>:]*\/[^/]+$/.test(name) ? name.slice(name.lastIndexOf("/") + 1) : name);
export const attributeName = (name) => name.replaceAll("_", " ");

// Never quite 0 or 100 %: no answer is certain.
export const percent = (p) => `${Math.min(99, Math.max(1, Math.round(100 * p)))} %`;

export function moment(date) {
  const today = date.toDateString() === new Date().toDateString();
  return today ? clock.format(date) : `${day.format(date)}, ${clock.format(date)}`;
}

export const clockTime = (text) => moment(new Date(text));

export function length(seconds) {
  const rounded = Math.max(1, Math.round(seconds));
  if (rounded < 60) return `${rounded} s`;
  const minutes = Math.floor(rounded / 60);
  return minutes < 60 ? `${minutes} min ${rounded % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

// When a person was seen: of a camera by the clock, of a file by the place in it.
export function when(person) {
  const seconds = person.last_s - person.first_s;
  if (!person.time) return `${place(person.first_s)} – ${place(person.last_s)} into the video`;
  const last = new Date(person.time);
  const first = new Date(last.getTime() - 1000 * seconds);
  if (person.in_view) return `since ${moment(first)} · ${length(seconds)}`;
  return `${moment(first)} – ${clock.format(last)} · ${length(seconds)}`;
}

function place(seconds) {
  const total = Math.floor(seconds);
  const pad = (value) => String(value).padStart(2, "0");
  const hours = Math.floor(total / 3600);
  const rest = `${hours ? pad(Math.floor(total / 60) % 60) : Math.floor(total / 60)}:${pad(total % 60)}`;
  return hours ? `${hours}:${rest}` : rest;
}
