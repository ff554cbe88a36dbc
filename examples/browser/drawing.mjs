// The box to draw in. Strokes are kept as lines, so that what the network sees has the size, place and thickness of the scans.

const SCAN = 32; // the scans were bitmaps of 32x32; each of their 8x8 pixels counts what is black in a square of 4x4
const PEN = 4; // as thick as the strokes of the scans are on average
const WIDEST = 26;

/** Pixels from 0 to 16 of what was drawn, or null if nothing was. */
export function scanOf(strokes) {
  const points = strokes.flat();
  if (!points.length) return null;
  const [left, top] = [0, 1].map((axis) => Math.min(...points.map((point) => point[axis])));
  const [right, bottom] = [0, 1].map((axis) => Math.max(...points.map((point) => point[axis])));
  const scale = Math.min(
    (SCAN - PEN) / Math.max(bottom - top, 0.05),
    (WIDEST - PEN) / Math.max(right - left, 0.05),
  );
  const context = Object.assign(document.createElement("canvas"), {
    width: SCAN,
    height: SCAN,
  }).getContext("2d", { willReadFrequently: true });
  const place = ([x, y]) => [
    SCAN / 2 + (x - (left + right) / 2) * scale,
    SCAN / 2 + (y - (top + bottom) / 2) * scale,
  ];
  trace(context, strokes, place, PEN);
  const { data } = context.getImageData(0, 0, SCAN, SCAN);
  const pixels = new Uint8Array(64);
  for (let row = 0; row < SCAN; row++)
    for (let column = 0; column < SCAN; column++)
      pixels[(row >> 2) * 8 + (column >> 2)] += data[(row * SCAN + column) * 4 + 3] > 127 ? 1 : 0;
  return pixels;
}

function trace(context, strokes, place, width) {
  Object.assign(context, { lineWidth: width, lineCap: "round", lineJoin: "round" });
  for (const stroke of strokes) {
    context.beginPath();
    context.moveTo(...place(stroke[0]));
    for (const point of stroke.length > 1 ? stroke.slice(1) : stroke)
      context.lineTo(...place(point));
    context.stroke();
  }
}

/** Pixels from 0 to 16 on a canvas of as many pixels. */
export function paint(canvas, pixels) {
  const size = Math.sqrt(pixels.length);
  Object.assign(canvas, { width: size, height: size });
  const image = new ImageData(size, size);
  pixels.forEach((value, place) => (image.data[place * 4 + 3] = (value / 16) * 255));
  canvas.getContext("2d").putImageData(image, 0, 0);
}

export class Pad {
  /** Calls `changed(pixels)` after each movement of the pen; pixels are null when the box is empty. */
  constructor(canvas, changed) {
    Object.assign(this, {
      canvas,
      changed,
      strokes: [],
      shown: null,
      pen: [0.5, 0.25],
      lowered: false,
    });
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"])
      canvas.addEventListener(name, () => (this.pointer = null));
    canvas.addEventListener("keydown", (event) => this.key(event));
    for (const name of ["focus", "blur"]) canvas.addEventListener(name, () => this.draw());
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  clear() {
    Object.assign(this, { strokes: [], shown: null, lowered: false });
    this.update();
  }

  /** Shows a scan in place of what was drawn. */
  show(pixels) {
    Object.assign(this, { strokes: [], shown: pixels, lowered: false });
    this.update();
  }

  update() {
    this.draw();
    this.changed(this.shown ?? scanOf(this.strokes));
  }

  down(event) {
    if (event.button) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.pointer = event.pointerId;
    this.begin(this.place(event));
  }

  move(event) {
    if (this.pointer !== event.pointerId) return;
    const events = event.getCoalescedEvents?.() ?? [];
    for (const one of events.length ? events : [event]) this.strokes.at(-1).push(this.place(one));
    this.update();
  }

  begin(point) {
    this.shown = null;
    this.strokes.push([point]);
    this.update();
  }

  place(event) {
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    return [(event.clientX - left) / width, (event.clientY - top) / height];
  }

  key(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key === " ") {
      this.lowered = !this.lowered;
      if (this.lowered) this.begin([...this.pen]);
      else this.draw();
    } else if (event.key in moves) {
      this.pen = this.pen.map((value, axis) =>
        Math.min(0.95, Math.max(0.05, value + moves[event.key][axis] * 0.05)),
      );
      if (this.lowered) this.strokes.at(-1).push([...this.pen]);
      this.update();
    } else return;
    event.preventDefault();
  }

  draw() {
    const { canvas } = this;
    const size = Math.round(canvas.clientWidth * devicePixelRatio);
    if (!size) return;
    Object.assign(canvas, { width: size, height: size });
    const context = canvas.getContext("2d");
    const style = getComputedStyle(canvas);
    context.strokeStyle = context.fillStyle = style.color;
    if (this.shown) this.drawScan(context, size);
    trace(context, this.strokes, ([x, y]) => [x * size, y * size], size * 0.07);
    if (document.activeElement === canvas && canvas.matches(":focus-visible"))
      this.drawPen(context, size, style);
  }

  drawScan(context, size) {
    const edge = (cell) => Math.round(size * (0.1 + 0.1 * cell)); // whole pixels leave no seams
    this.shown.forEach((value, place) => {
      const [column, row] = [place % 8, Math.floor(place / 8)];
      const [left, top] = [edge(column), edge(row)];
      context.globalAlpha = value / 16;
      context.fillRect(left, top, edge(column + 1) - left, edge(row + 1) - top);
    });
    context.globalAlpha = 1;
  }

  drawPen(context, size, style) {
    context.beginPath();
    context.arc(this.pen[0] * size, this.pen[1] * size, size * 0.035, 0, 2 * Math.PI);
    Object.assign(context, {
      lineWidth: size * 0.01,
      strokeStyle: style.outlineColor,
      fillStyle: style.outlineColor,
    });
    context[this.lowered ? "fill" : "stroke"]();
  }
}
