// A sketch and its history. A sketch is strokes, each [[x, ...], [y, ...]], or a picture; it is never changed, only replaced.

const EMPTY = Object.freeze({ strokes: [], picture: null, name: "" });

export class History {
  #past = [];
  #future = [];
  #listeners = [];
  now = EMPTY;

  /** Calls listener with the sketch whenever it is another one. */
  watch(listener) { this.#listeners.push(listener); }

  get empty() { return this.now.strokes.length === 0 && this.now.picture === null; }
  get canUndo() { return this.#past.length > 0; }
  get canRedo() { return this.#future.length > 0; }

  /** Adds a stroke; over a picture it begins a new drawing. */
  addStroke(stroke) { this.replace({ strokes: [...this.now.strokes, stroke] }); }

  /** Puts another sketch in place of this one. */
  replace({ strokes = [], picture = null, name = "" }) {
    this.#past.push(this.now);
    this.#future = [];
    this.#show({ strokes, picture, name });
  }

  clear() { if (!this.empty) this.replace(EMPTY); }

  undo() {
    if (!this.canUndo) return;
    this.#future.push(this.now);
    this.#show(this.#past.pop());
  }

  redo() {
    if (!this.canRedo) return;
    this.#past.push(this.now);
    this.#show(this.#future.pop());
  }

  #show(sketch) {
    this.now = sketch;
    for (const listener of this.#listeners) listener(sketch);
  }
}
