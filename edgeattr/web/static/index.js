// Brings the stream of events onto the page.

import {showAlerts, showPlaces} from "./alerts.js";
import {Attributes} from "./attributes.js";
import {Cameras} from "./cameras.js";
import {Connection} from "./connection.js";
import {byId, setText} from "./dom.js";
import {Filters} from "./filters.js";
import {LivePictures} from "./live.js";
import {showOverview} from "./overview.js";
import {People} from "./people.js";
import {moment} from "./words.js";

const WORDS = {
  connecting: "Connecting",
  live: "Live",
  lost: "Connection lost",
  ended: "Stopped",
  denied: "Token needed",
};

let state = null;
const filters = new Filters();
const people = new People(filters);
const cameras = new Cameras((name) => filters.toggle("stream", name));
const attributes = new Attributes((name) => filters.toggle("attribute", name));
const live = new LivePictures();

filters.changed = () => {
  people.show();
  if (state) show();
};
people.show();

function show() {
  showOverview(state, (stream) => people.inView(stream));
  showAlerts(state);
  showPlaces(state);
  live.show(state);
  cameras.show(state, filters.get("stream"));
  attributes.show(state, filters.get("attribute"));
  const streams = [...state.streams, ...state.unopened].map((stream) => stream.stream);
  filters.offer(streams, state.counts.attributes.map((one) => one.name));
}

function tell(how) {
  const asOf = state ? `; what is shown is of ${moment(new Date(state.time))}` : "";
  const toasts = {
    lost: `Connection lost, trying again${asOf}.`,
    ended: `edgeattr has stopped${asOf}. The page goes on when it is started again.`,
    denied: "The token is no longer valid: open the link that edgeattr printed when it started.",
  };
  byId("live").dataset.state = how;
  setText(byId("live"), WORDS[how]);
  byId("toast").hidden = !(how in toasts);
  setText(byId("toast"), toasts[how] ?? "");
}

new Connection(
  {
    state: (told) => {
      state = told;
      show();
    },
    clear: () => people.clear(),
    people: (changed) => people.add(changed),
    gone: (ids) => people.remove(ids),
  },
  tell,
);
