// Curves over training steps, as SVG that fits its box.

const MARGIN = { left: 40, right: 52, top: 10, bottom: 22 };
const NAMESPACE = "http://www.w3.org/2000/svg";

/** One point for each pixel column: the mean of the points that fall into it. */
function thinned(points, width) {
  if (points.length <= width) return points;
  const span = points[points.length - 1][0] - points[0][0] || 1;
  const columns = new Map();
  for (const [x, y] of points) {
    const column = Math.round(((x - points[0][0]) / span) * width);
    const [sumX, sumY, count] = columns.get(column) ?? [0, 0, 0];
    columns.set(column, [sumX + x, sumY + y, count + 1]);
  }
  return [...columns.values()].map(([x, y, count]) => [x / count, y / count]);
}

/** A running mean that starts at the first point; later ones count by `weight`. */
export function smoothed(points, weight = 0.2) {
  let mean = points.length ? points[0][1] : 0;
  let known = 0;
  return points.map(([x, y]) => {
    known += 1;
    mean += (y - mean) * Math.max(weight, 1 / known);
    return [x, mean];
  });
}

/** The step of a grid: 1, 2 or 5 times a power of ten, of which about `count` fit. */
function gridStep(span, count) {
  const rough = span / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
}

const numbers = (step, end) =>
  Array.from({ length: Math.floor(end / step + 1e-9) + 1 }, (_, place) => place * step);

function element(name, attributes, text = "") {
  const made = document.createElementNS(NAMESPACE, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

export class Curves {
  /** In `box`, named `label`; `format` writes a value, `top` is the axis' end if it is fixed. */
  constructor(box, { label, format, top = null }) {
    Object.assign(this, { box, label, format, top, lines: [] });
    this.svg = element("svg", { role: "img", "aria-label": `${label}: nothing yet` });
    box.append(this.svg);
    new ResizeObserver(() => this.draw()).observe(box);
    this.draw();
  }

  /** `lines`: {kind, points: [[step, value], ...], last: whether its last value stands at its end}. */
  show(lines) {
    this.lines = lines;
    this.draw();
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.box;
    if (!width || !height) return;
    const right = width - MARGIN.right;
    const bottom = height - MARGIN.bottom;
    const points = this.lines.flatMap((line) => line.points);
    const end = Math.max(20, ...points.map(([step]) => step));
    const top =
      this.top ?? (points.length ? Math.max(0.1, ...points.map(([, value]) => value)) * 1.04 : 2.5);
    const x = (step) => MARGIN.left + (step / end) * (right - MARGIN.left);
    const y = (value) => bottom - (Math.min(value, top) / top) * (bottom - MARGIN.top);

    const parts = [];
    for (const value of numbers(gridStep(top, 4), top)) {
      parts.push(
        element("line", { class: "grid", x1: MARGIN.left, x2: right, y1: y(value), y2: y(value) }),
      );
      parts.push(
        element(
          "text",
          { x: MARGIN.left - 8, y: y(value) + 4, "text-anchor": "end" },
          this.format(value),
        ),
      );
    }
    for (const step of numbers(Math.max(1, gridStep(end, Math.max(2, width / 120))), end))
      parts.push(
        element(
          "text",
          { x: x(step), y: height - 4, "text-anchor": step ? "middle" : "start" },
          step ? String(step) : "step 0",
        ),
      );
    for (const line of this.lines) {
      const shown = thinned(line.points, right - MARGIN.left);
      const path = shown
        .map(([step, value]) => `${x(step).toFixed(1)} ${y(value).toFixed(1)}`)
        .join("L");
      if (shown.length) parts.push(element("path", { class: line.kind, d: `M${path}` }));
    }
    parts.push(...this.lastValues(x, y));
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.replaceChildren(...parts);
    this.svg.setAttribute("aria-label", this.description());
  }

  /** The values at the lines' ends, moved apart where they would lie on each other. */
  lastValues(x, y) {
    const ends = this.lines
      .filter(({ last, points }) => last && points.length)
      .map(({ kind, points }) => ({ kind, step: points.at(-1)[0], value: points.at(-1)[1] }))
      .sort((one, other) => y(one.value) - y(other.value));
    let free = -Infinity;
    return ends.map(({ kind, step, value }) => {
      const place = Math.max(y(value) + 4, free);
      free = place + 14;
      return element(
        "text",
        { class: `last ${kind}`, x: x(step) + 6, y: place },
        this.format(value),
      );
    });
  }

  description() {
    const ends = this.lines
      .filter(({ last, points }) => last && points.length)
      .map(
        ({ name, points }) =>
          `${name} from ${this.format(points[0][1])} to ${this.format(points.at(-1)[1])} at step ${points.at(-1)[0]}`,
      );
    return `${this.label}: ${ends.join("; ") || "nothing yet"}`;
  }
}
