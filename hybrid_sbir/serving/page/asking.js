// Asks the server. One question at a time; of those that come meanwhile only the newest is asked, and late answers are dropped.

export class Refused extends Error {
  constructor(status, message, later) {
    super(message);
    this.status = status;
    this.later = later;
  }
}

const PATIENCE = 20_000; // milliseconds

/** Whether the same question may well be answered a little later: the server is busy, or cannot be reached. */
export const isPassing = (problem) => problem.status === 503 || problem.status === 0;

/** Sends a request; a problem becomes an error with the server's words. */
export async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { signal: AbortSignal.timeout(PATIENCE), ...options });
  } catch (error) {
    throw new Refused(0, error.name === "TimeoutError" ? "The server does not answer in time." : "The server cannot be reached.");
  }
  if (response.ok) return response;
  let message = `The server answers with ${response.status}.`;
  try { message = sentence((await response.json()).message); } catch { /* no words */ }
  throw new Refused(response.status, message, Number(response.headers.get("Retry-After")) || 0);
}

const sentence = (words) => `${words[0].toUpperCase()}${words.slice(1)}${words.endsWith(".") ? "" : "."}`;

/** A sketch and options as a request's path and body. */
export function question(route, sketch, { k, mirror }) {
  if (sketch.picture) {
    const kind = sketch.picture.type.startsWith("image/") ? sketch.picture.type : "application/octet-stream";
    return [`${route}?k=${k}&mirror=${mirror}`, { method: "POST", headers: { "Content-Type": kind }, body: sketch.picture }];
  }
  const body = JSON.stringify({ strokes: sketch.strokes, k, mirror });
  return [route, { method: "POST", headers: { "Content-Type": "application/json" }, body }];
}

export class Asker {
  #next = null;
  #busy = false;
  #turn = 0;
  #timer = 0;
  #since = 0;

  /** send(sketch) asks; onAnswer(answer, sketch) and onProblem(problem) are told, unless something newer came. */
  constructor({ send, onAnswer, onProblem, pause = 120, longest = 400 }) {
    Object.assign(this, { send, onAnswer, onProblem, pause, longest });
  }

  /** Asks once the hand rests, or after the longest wait. */
  soon(sketch) {
    this.#next = sketch;
    const now = performance.now();
    if (!this.#timer) this.#since = now;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#go(), Math.max(0, Math.min(this.pause, this.#since + this.longest - now)));
  }

  /** Asks now; answers to what was asked before are dropped. */
  now(sketch) {
    this.#turn += 1;
    this.#next = sketch;
    this.#go();
  }

  /** Asks nothing more, and drops the answer that is on its way. */
  forget() {
    this.#turn += 1;
    this.#next = null;
    clearTimeout(this.#timer);
    this.#timer = 0;
  }

  async #go() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    if (this.#busy || this.#next === null) return;
    const sketch = this.#next;
    const turn = this.#turn;
    this.#next = null;
    this.#busy = true;
    let again = 0;
    try {
      const answer = await this.send(sketch);
      if (turn === this.#turn) this.onAnswer(answer, sketch);
    } catch (problem) {
      if (isPassing(problem) && turn === this.#turn) {
        this.#next ??= sketch;
        again = 1000 * Math.min(problem.later || 2, 10);
      }
      if (turn === this.#turn) this.onProblem(problem);
    }
    this.#busy = false;
    if (this.#next !== null && !this.#timer) this.#timer = setTimeout(() => this.#go(), again);
  }
}
