// The stream of events: kept open, opened again, and its silence noticed.

const SILENCE = 15000; // milliseconds without any event; one comes every second
const PAUSE = 3000; // milliseconds before a stream that was refused is asked for again

export class Connection {
  // handlers: by kind of event, called with its data. changed: called with "live", "lost",
  // "ended" or "denied".
  constructor(handlers, changed) {
    this.handlers = handlers;
    this.changed = changed;
    this.last = "";
    this.state = "connecting";
    setInterval(() => this.check(), 1000);
    this.open();
  }

  open() {
    this.heard = Date.now();
    this.source = new EventSource(`api/events${this.last ? `?since=${encodeURIComponent(this.last)}` : ""}`);
    for (const [kind, handle] of Object.entries(this.handlers)) {
      this.source.addEventListener(kind, (event) => {
        this.heard = Date.now();
        if (event.lastEventId) this.last = event.lastEventId;
        handle(JSON.parse(event.data));
        if (kind === "state") this.become("live");
      });
    }
    this.source.addEventListener("end", () => this.become("ended"));
    this.source.onerror = () => this.failed();
  }

  failed() {
    if (this.state !== "ended" && this.state !== "denied") this.become("lost");
    if (this.source.readyState === EventSource.CLOSED) this.later();
  }

  // The browser gives up where the answer is not a stream: see why, and ask again.
  async later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.open(), PAUSE);
    try {
      const answer = await fetch("api/health");
      if (answer.status === 401) this.become("denied");
    } catch {
      // not there yet
    }
  }

  check() {
    if (Date.now() - this.heard < SILENCE || this.source.readyState === EventSource.CLOSED) return;
    this.source.close();
    if (this.state !== "ended") this.become("lost");
    this.open();
  }

  become(state) {
    if (state === this.state) return;
    this.state = state;
    this.changed(state);
  }
}
