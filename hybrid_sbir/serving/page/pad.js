// The paper: pointer events of mouse, pen and finger become strokes; pressure makes no difference.

const SIDE = 512;    // a stroke's unit: this many across the paper's middle square, whatever its size on the screen
const NEAREST = 1.2; // points closer than this to the last one add nothing
const WIDTH = 5;     // of a line, in the same unit
const MOST = 4000;   // points of one stroke; then it goes on with every second of them

export class Pad {
  #canvas;
  #pen;
  #pointer = null;
  #stroke = null;
  #sketch = { strokes: [], picture: null };
  #image = null;
  #view = { scale: 1, left: 0, top: 0 }; // pixels of the screen a unit; the unit's origin

  /** onStroke(stroke) is called at a stroke's end, onChange(stroke) while it grows. */
  constructor(canvas, { onStroke, onChange }) {
    this.#canvas = canvas;
    this.#pen = canvas.getContext("2d");
    this.onStroke = onStroke;
    this.onChange = onChange;
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const kind of ["pointerup", "pointercancel", "lostpointercapture"]) {
      canvas.addEventListener(kind, (event) => this.#up(event));
    }
    canvas.addEventListener("contextmenu", (event) => { if (event.pointerType !== "mouse") event.preventDefault(); });
    new ResizeObserver(() => this.#fit()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
  }

  get drawing() { return this.#stroke !== null; }

  /** Shows a sketch; resolves once it is seen. */
  async show(sketch) {
    this.#sketch = sketch;
    this.#image = null;
    if (!this.#stroke && !sketch.strokes.length) this.#look(); // not while there is a drawing: it would jump
    if (sketch.picture) {
      const image = new Image();
      const url = URL.createObjectURL(sketch.picture);
      image.src = url;
      try { await image.decode(); } catch { /* the server may know the kind; what it shows is then the results only */ }
      URL.revokeObjectURL(url);
      if (this.#sketch === sketch && image.naturalWidth) this.#image = image;
    }
    this.#draw();
  }

  #place(event) {
    const box = this.#canvas.getBoundingClientRect();
    const { scale, left, top } = this.#view;
    const round = (value) => Math.round(value * 10) / 10;
    return [round((event.clientX - box.left - left) / scale), round((event.clientY - box.top - top) / scale)];
  }

  #down(event) {
    if (this.#pointer !== null || event.button !== 0) return;
    try { this.#canvas.setPointerCapture(event.pointerId); } catch { /* gone already */ }
    this.#pointer = event.pointerId;
    this.#stroke = [[], []];
    if (this.#sketch.picture) this.#sketch = { strokes: [], picture: null };
    this.#image = null;
    this.#add(event);
    this.#draw();
    this.onChange(this.#stroke);
  }

  #move(event) {
    if (event.pointerId !== this.#pointer) return;
    const events = event.getCoalescedEvents?.() ?? [];
    for (const each of events.length ? events : [event]) this.#add(each);
    this.#draw();
    this.onChange(this.#stroke);
  }

  #add(event) {
    const [x, y] = this.#place(event);
    if (this.#stroke[0].length >= MOST) this.#stroke = this.#stroke.map((axis) => axis.filter((_, i) => i % 2 === 0));
    const [xs, ys] = this.#stroke;
    const last = xs.length - 1;
    if (last >= 0 && Math.hypot(x - xs[last], y - ys[last]) < NEAREST) return;
    xs.push(x);
    ys.push(y);
  }

  #up(event) {
    if (event.pointerId !== this.#pointer) return;
    const stroke = this.#stroke;
    this.#pointer = null;
    this.#stroke = null;
    this.onStroke(stroke);
  }

  #fit() {
    const scale = window.devicePixelRatio || 1;
    this.#canvas.width = Math.round(this.#canvas.clientWidth * scale);
    this.#canvas.height = Math.round(this.#canvas.clientHeight * scale);
    this.#look();
    this.#draw();
  }

  /** Chooses the view: the middle square as large as it goes, or less where a stroke would be out of sight. */
  #look() {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    if (!width || !height) return;
    const strokes = this.#stroke ? [...this.#sketch.strokes, this.#stroke] : this.#sketch.strokes;
    const reach = (axis) => strokes.reduce(
      (most, stroke) => stroke[axis].reduce((far, value) => Math.max(far, Math.abs(value - SIDE / 2) + WIDTH), most), 1);
    const scale = Math.min(Math.min(width, height) / SIDE, width / 2 / reach(0), height / 2 / reach(1));
    this.#view = { scale, left: (width - SIDE * scale) / 2, top: (height - SIDE * scale) / 2 };
  }

  #draw() {
    const { width, height } = this.#canvas;
    const pen = this.#pen;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, width, height);
    if (this.#image) this.#drawImage(width, height);
    const ratio = width / (this.#canvas.clientWidth || width);
    const { scale, left, top } = this.#view;
    pen.setTransform(scale * ratio, 0, 0, scale * ratio, left * ratio, top * ratio);
    pen.lineWidth = WIDTH;
    pen.lineCap = pen.lineJoin = "round";
    pen.strokeStyle = getComputedStyle(this.#canvas).color;
    const strokes = this.#stroke ? [...this.#sketch.strokes, this.#stroke] : this.#sketch.strokes;
    for (const [xs, ys] of strokes) {
      pen.beginPath();
      pen.moveTo(xs[0], ys[0]);
      for (let i = 1; i < xs.length; i += 1) pen.lineTo(xs[i], ys[i]);
      if (xs.length === 1) pen.lineTo(xs[0] + 0.01, ys[0]);
      pen.stroke();
    }
  }

  #drawImage(width, height) {
    const { naturalWidth: w, naturalHeight: h } = this.#image;
    const scale = Math.min(width / w, height / h) * 0.94;
    this.#pen.fillStyle = "#fff";
    this.#pen.fillRect((width - w * scale) / 2, (height - h * scale) / 2, w * scale, h * scale);
    this.#pen.drawImage(this.#image, (width - w * scale) / 2, (height - h * scale) / 2, w * scale, h * scale);
  }
}
