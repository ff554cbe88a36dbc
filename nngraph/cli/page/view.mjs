// Draws one graph, grouped by phase and module path. Groups open and fold in place; what is visible
// is laid out in layers, group by group, so that ten thousand nodes cost no more than what is open.

const data = JSON.parse(document.getElementById("data").textContent);
const [KIND, NAME, GROUP, PLACE, PHASE, FLOPS, BYTES, TYPE, TIME] = [0, 1, 2, 3, 4, 5, 6, 7, 8];
const PHASES = ["forward", "backward", "update", "port"];
const SUMS = { flops: FLOPS, bytes: BYTES, time: TIME };

// -- the tree -------------------------------------------------------------------------------------
// A box is a node of the graph or a group of them; `at` is where it lies in its parent.
class Box {
  constructor(name, parent, phase) {
    Object.assign(this, { name, parent, phase, children: [], edges: new Map(), open: false });
    Object.assign(this, { node: null, count: 0, sums: { flops: 0, bytes: 0, time: 0 } });
    Object.assign(this, { x: 0, y: 0, w: 0, h: 0, depth: parent ? parent.depth + 1 : 0 });
    if (parent) parent.children.push(this);
  }
  get path() {
    return this.parent && this.parent.parent ? `${this.parent.path} / ${this.name}` : this.name;
  }
}

const groups = data.groups.map(() => null);
data.groups.forEach(([name, parent, phase], i) => {
  groups[i] = new Box(name, parent < 0 ? null : groups[parent], PHASES[phase]);
});
const root = groups[0];
root.open = true;
const leaves = data.nodes.map((node, index) => {
  const box = new Box(node[KIND], groups[node[GROUP]], PHASES[node[PHASE]]);
  box.node = node;
  box.index = index;
  for (let up = box; up; up = up.parent) {
    up.count += 1;
    for (const sum in SUMS) up.sums[sum] += node[SUMS[sum]] || 0;
  }
  return box;
});
const [incoming, outgoing] = [leaves.map(() => []), leaves.map(() => [])];
for (let i = 0; i < data.edges.length; i += 2) {
  let [a, b] = [leaves[data.edges[i]], leaves[data.edges[i + 1]]];
  incoming[b.index].push(a);
  outgoing[a.index].push(b);
  while (a.depth > b.depth) a = a.parent;
  while (b.depth > a.depth) b = b.parent;
  while (a.parent !== b.parent) [a, b] = [a.parent, b.parent];
  if (a === b) continue;
  const edges = a.parent.edges;
  if (!edges.has(a)) edges.set(a, new Map());
  edges.get(a).set(b, (edges.get(a).get(b) || 0) + 1);
}

// -- layout ---------------------------------------------------------------------------------------
const [GAP_X, GAP_Y, PAD, HEAD] = [18, 34, 14, 28];

// The second line of a box.
function under(box) {
  if (box.node) return box.node[TYPE];
  if (box.count > 1) return `${box.count} nodes`;
  return box.children.map((c) => (c.node ? c.name : under(c))).join("");
}

// The whole graph reads from left to right, phase after phase; a group from top to bottom.
function layout(box) {
  if (!box.open || !box.children.length) {
    const second = under(box);
    const name = box.node ? 7.6 * box.name.length : 8.4 * (box.name.length + 2);
    box.w = Math.min(280, Math.max(84, Math.max(name, 6.4 * second.length) + 26));
    box.h = 42;
    return;
  }
  box.children.forEach(layout);
  const rows = rowsOf(box);
  if (!box.parent) {
    columns(box, rows);
    return;
  }
  const widths = rows.map((row) => row.reduce((sum, b) => sum + b.w, GAP_X * (row.length - 1)));
  const width = Math.max(...widths, 7.6 * box.name.length + 40);
  let y = HEAD + 8;
  rows.forEach((row, i) => {
    let x = PAD + (width - widths[i]) / 2;
    const height = Math.max(...row.map((b) => b.h));
    for (const each of row) {
      each.x = x;
      each.y = y + (height - each.h) / 2;
      x += each.w + GAP_X;
    }
    y += height + GAP_Y;
  });
  box.w = width + 2 * PAD;
  box.h = y - GAP_Y + PAD;
}

function columns(box, rows) {
  const heights = rows.map((row) => row.reduce((sum, b) => sum + b.h, GAP_Y * (row.length - 1)));
  const height = Math.max(...heights);
  let x = 0;
  rows.forEach((row, i) => {
    let y = Math.min((height - heights[i]) / 2, 120);
    const width = Math.max(...row.map((b) => b.w));
    for (const each of row) {
      each.x = x + (width - each.w) / 2;
      each.y = y;
      y += each.h + GAP_Y;
    }
    x += width + 90;
  });
  [box.w, box.h] = [x - 90, height];
}

// The children in rows: layers of the longest path, each ordered by the middle of its neighbours;
// a layer that would be much wider than the whole is high takes several rows.
function rowsOf(box) {
  const { children, edges } = box;
  const layer = new Map();
  const state = new Map();
  const back = new Set();
  const order = [];
  for (const start of children) {
    const stack = [[start, null]];
    while (stack.length) {
      const top = stack[stack.length - 1];
      const [current] = top;
      if (top[1] === null) {
        if (state.get(current)) { stack.pop(); continue; }
        state.set(current, 1);
        top[1] = [...(edges.get(current) || new Map()).keys()];
      }
      const next = top[1].pop();
      if (next === undefined) {
        state.set(current, 2);
        order.push(current);
        stack.pop();
      } else if (state.get(next) === 1) back.add(`${id(current)} ${id(next)}`);
      else if (!state.get(next)) stack.push([next, null]);
    }
  }
  order.reverse();
  for (const each of children) layer.set(each, 0);
  for (const each of order) {
    for (const next of (edges.get(each) || new Map()).keys()) {
      if (!back.has(`${id(each)} ${id(next)}`)) {
        layer.set(next, Math.max(layer.get(next), layer.get(each) + 1));
      }
    }
  }
  const layers = [];
  for (const each of order) (layers[layer.get(each)] ||= []).push(each);
  const above = new Map(children.map((c) => [c, []]));
  const below = new Map(children.map((c) => [c, [...(edges.get(c) || new Map()).keys()]]));
  for (const [from, to] of edges) for (const next of to.keys()) above.get(next).push(from);
  const place = new Map();
  const number = (row) => row.forEach((b, i) => place.set(b, (i + 0.5) / row.length));
  layers.forEach((row) => { row.sort((a, b) => id(a) - id(b)); number(row); });
  for (let sweep = 0; sweep < 4; sweep += 1) {
    const down = sweep % 2 === 0;
    for (const row of down ? layers : [...layers].reverse()) {
      const middle = new Map(row.map((b) => {
        const near = (down ? above : below).get(b);
        const sum = near.reduce((total, n) => total + place.get(n), 0);
        return [b, near.length ? sum / near.length : place.get(b)];
      }));
      row.sort((a, b) => middle.get(a) - middle.get(b) || id(a) - id(b));
      number(row);
    }
  }
  const area = children.reduce((sum, b) => sum + (b.w + GAP_X) * (b.h + GAP_Y), 0);
  const widest = Math.max(900, Math.sqrt(area) * 1.5, ...children.map((b) => b.w));
  return layers.flatMap((row) => {
    const rows = [[]];
    let width = 0;
    for (const each of row) {
      if (width && width + each.w > widest) { rows.push([]); width = 0; }
      rows[rows.length - 1].push(each);
      width += each.w + GAP_X;
    }
    return rows;
  });
}

let ids = 0;
function id(box) { return (box.id ??= ++ids); }
groups.forEach(id);
leaves.forEach(id);

// -- drawing --------------------------------------------------------------------------------------
const canvas = document.getElementById("canvas");
const pen = canvas.getContext("2d");
const view = { x: 0, y: 0, scale: 1 };
let [selected, hovered, shade, found] = [null, null, "phase", new Set()];
let colours = {};
let most = {};

function readColours() {
  const style = getComputedStyle(document.documentElement);
  const names = ["ground", "panel", "line", "text", "faint", "mark", "fill", ...PHASES];
  colours = Object.fromEntries(names.map((n) => [n, style.getPropertyValue(`--${n}`).trim()]));
}

function corner(box) {
  let [x, y] = [0, 0];
  for (let up = box; up; up = up.parent) { x += up.x; y += up.y; }
  return [x, y];
}

// What is drawn for a box: itself, or the folded group that hides it.
function shown(box) {
  let visible = box;
  for (let up = box.parent; up; up = up.parent) if (!up.open) visible = up;
  return visible;
}

let waiting = false;
function redraw() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; draw(); });
}

function draw() {
  const ratio = window.devicePixelRatio || 1;
  const { clientWidth: w, clientHeight: h } = canvas;
  if (canvas.width !== w * ratio || canvas.height !== h * ratio) {
    canvas.width = w * ratio;
    canvas.height = h * ratio;
  }
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, w, h);
  pen.translate(view.x, view.y);
  pen.scale(view.scale, view.scale);
  const seen = {
    left: -view.x / view.scale, top: -view.y / view.scale,
    right: (w - view.x) / view.scale, bottom: (h - view.y) / view.scale,
  };
  drawBox(root, 0, 0, seen);
  if (selected) drawNeighbours(selected);
}

function drawBox(box, x, y, seen) {
  if (x > seen.right || y > seen.bottom || x + box.w < seen.left || y + box.h < seen.top) return;
  const isOpen = box.open && box.children.length;
  if (box.parent) drawFrame(box, x, y, isOpen);
  if (!isOpen) return;
  pen.lineWidth = 1.2;
  for (const [from, to] of box.edges) {
    for (const [next, count] of to) drawEdge(from, next, count, x, y);
  }
  for (const child of box.children) drawBox(child, x + child.x, y + child.y, seen);
}

function drawEdge(from, to, count, x, y) {
  pen.strokeStyle = colours.faint;
  pen.globalAlpha = Math.min(0.75, 0.28 + 0.06 * Math.log2(count));
  pen.lineWidth = 1 + 0.5 * Math.log2(count);
  if (from.parent === root) across(from, to);
  else curve(x + from.x + from.w / 2, y + from.y + from.h, x + to.x + to.w / 2, y + to.y);
  pen.globalAlpha = 1;
}

function across(from, to) {
  const [x1, y1] = [from.x + from.w, from.y + Math.min(from.h / 2, 180)];
  const [x2, y2] = [to.x, to.y + Math.min(to.h / 2, 180)];
  const bend = x2 > x1 ? (x2 - x1) / 2 : 60;
  pen.beginPath();
  pen.moveTo(x1, y1);
  pen.bezierCurveTo(x1 + bend, y1, x2 - bend, y2, x2, y2);
  pen.stroke();
}

function curve(x1, y1, x2, y2) {
  const bend = y2 > y1 ? Math.min(60, (y2 - y1) / 2) : 40;
  pen.beginPath();
  pen.moveTo(x1, y1);
  pen.bezierCurveTo(x1, y1 + bend, x2, y2 - bend, x2, y2);
  pen.stroke();
}

function strength(box) {
  if (shade === "phase") return 1;
  return most[shade] ? Math.sqrt(box.sums[shade] / most[shade]) : 0;
}

function drawFrame(box, x, y, isOpen) {
  const colour = colours[box.phase] || colours.faint;
  const isFound = found.has(box);
  pen.beginPath();
  pen.roundRect(x, y, box.w, box.h, isOpen ? 10 : 7);
  pen.fillStyle = isOpen ? colours.ground : colours.panel;
  pen.fill();
  pen.fillStyle = colour;
  const share = shade === "phase" ? Number(colours.fill) : isOpen ? 0.03 : 0.75 * strength(box);
  pen.globalAlpha = isOpen ? share * 0.5 : share;
  pen.fill();
  pen.globalAlpha = 1;
  pen.strokeStyle = box === selected || isFound ? colours.mark : colour;
  pen.lineWidth = box === selected ? 2.6 : isFound ? 2.2 : box === hovered ? 2 : isOpen ? 1 : 1.2;
  pen.globalAlpha = isOpen && box !== selected && !isFound ? 0.55 : 1;
  pen.stroke();
  pen.globalAlpha = 1;
  if (view.scale * 13 < 4) return;
  pen.textBaseline = "middle";
  if (isOpen) {
    write(`▾ ${box.name}`, x + 12, y + 17, box.w - 24, 13, colours.text, 600);
    return;
  }
  const name = box.node ? box.name : `▸ ${box.name}`;
  const second = under(box);
  write(name, x + 11, y + 15, box.w - 20, 13, colours.text, box.node ? 500 : 600);
  write(second, x + 11, y + 30, box.w - 20, 11, colours.faint, 400);
}

function write(text, x, y, width, size, colour, weight) {
  pen.font = `${weight} ${size}px system-ui, sans-serif`;
  pen.fillStyle = colour;
  let shownText = text;
  if (pen.measureText(text).width > width) {
    let low = 1;
    let high = text.length;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (pen.measureText(`${text.slice(0, middle)}…`).width <= width) low = middle;
      else high = middle - 1;
    }
    shownText = `${text.slice(0, low)}…`;
  }
  pen.fillText(shownText, x, y);
}

function drawNeighbours(box) {
  const mine = new Set(nodesOf(box));
  const pairs = new Map();
  for (const node of mine) {
    for (const other of outgoing[node.index]) {
      if (!mine.has(other)) pairs.set(`o${id(shown(other))}`, [shown(box), shown(other)]);
    }
    for (const other of incoming[node.index]) {
      if (!mine.has(other)) pairs.set(`i${id(shown(other))}`, [shown(other), shown(box)]);
    }
  }
  pen.strokeStyle = colours.mark;
  pen.lineWidth = 1.8;
  pen.globalAlpha = 0.8;
  let left = 400;
  for (const [from, to] of pairs.values()) {
    if (from === to || (left -= 1) < 0) continue;
    const [[x1, y1], [x2, y2]] = [corner(from), corner(to)];
    curve(x1 + from.w / 2, y1 + from.h, x2 + to.w / 2, y2);
  }
  pen.globalAlpha = 1;
}

function nodesOf(box) {
  if (box.node) return [box];
  return box.children.flatMap(nodesOf);
}

// -- moving about ---------------------------------------------------------------------------------
function refresh() {
  layout(root);
  most = Object.fromEntries(Object.keys(SUMS).map((s) => [s, largest(root, s)]));
  listTree();
  redraw();
}

function largest(box, sum) {
  if (!box.open || !box.children.length) return box.sums[sum];
  return Math.max(...box.children.map((child) => largest(child, sum)), 0);
}

function fit(box = root) {
  const [x, y] = corner(box);
  const { clientWidth: w, clientHeight: h } = canvas;
  view.scale = Math.min(1.25, (w - 40) / box.w, (h - 40) / box.h);
  view.x = (w - box.w * view.scale) / 2 - x * view.scale;
  view.y = (h - box.h * view.scale) / 2 - y * view.scale;
  redraw();
}

// Opens or folds a group; its upper left corner stays where it is on the screen.
function toggle(box) {
  const before = corner(box);
  box.open = !box.open;
  refresh();
  const after = corner(box);
  view.x += (before[0] - after[0]) * view.scale;
  view.y += (before[1] - after[1]) * view.scale;
  if (selected && shown(selected) !== selected) select(shown(selected));
}

function reveal(box) {
  for (let up = box.parent; up; up = up.parent) up.open = true;
  refresh();
  const [x, y] = corner(box);
  const { clientWidth: w, clientHeight: h } = canvas;
  view.scale = Math.max(0.7, Math.min(view.scale, 1.25));
  view.x = w / 2 - (x + box.w / 2) * view.scale;
  view.y = h / 2 - (y + box.h / 2) * view.scale;
  select(box);
}

function boxAt(px, py) {
  let [x, y] = [(px - view.x) / view.scale, (py - view.y) / view.scale];
  let box = root;
  for (;;) {
    const inside = box.open && box.children.find(
      (c) => x >= c.x && x <= c.x + c.w && y >= c.y && y <= c.y + c.h,
    );
    if (!inside) return box === root ? null : box;
    x -= inside.x;
    y -= inside.y;
    box = inside;
  }
}

function select(box) {
  selected = box;
  showDetails(box);
  redraw();
}

let drag = null;
const pointers = new Map();
canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, [event.offsetX, event.offsetY]);
  drag = { x: event.offsetX, y: event.offsetY, moved: false };
});
canvas.addEventListener("pointermove", (event) => {
  const last = pointers.get(event.pointerId);
  if (!last) {
    const box = boxAt(event.offsetX, event.offsetY);
    canvas.classList.toggle("over", box !== null);
    if (box !== hovered) { hovered = box; redraw(); }
    return;
  }
  if (pointers.size === 2) {
    const [other] = [...pointers].filter(([key]) => key !== event.pointerId).map(([, p]) => p);
    const before = Math.hypot(last[0] - other[0], last[1] - other[1]);
    const after = Math.hypot(event.offsetX - other[0], event.offsetY - other[1]);
    zoom(other[0], other[1], after / Math.max(before, 1));
  } else {
    view.x += event.offsetX - last[0];
    view.y += event.offsetY - last[1];
  }
  pointers.set(event.pointerId, [event.offsetX, event.offsetY]);
  if (Math.hypot(event.offsetX - drag.x, event.offsetY - drag.y) > 4) drag.moved = true;
  redraw();
});
canvas.addEventListener("pointerup", (event) => {
  pointers.delete(event.pointerId);
  if (drag && !drag.moved) {
    const box = boxAt(event.offsetX, event.offsetY);
    const isAgain = box && box === selected && !box.node;
    if (isAgain) toggle(box);
    select(box);
  }
  drag = null;
});
canvas.addEventListener("pointercancel", (event) => pointers.delete(event.pointerId));
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoom(event.offsetX, event.offsetY, Math.exp(-event.deltaY * 0.0016));
}, { passive: false });

function zoom(x, y, factor) {
  const scale = Math.min(4, Math.max(0.01, view.scale * factor));
  view.x = x - ((x - view.x) * scale) / view.scale;
  view.y = y - ((y - view.y) * scale) / view.scale;
  view.scale = scale;
  redraw();
}

canvas.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
  const [w, h] = [canvas.clientWidth / 2, canvas.clientHeight / 2];
  if (step[event.key]) { view.x += step[event.key][0]; view.y += step[event.key][1]; redraw(); }
  else if (event.key === "+") zoom(w, h, 1.25);
  else if (event.key === "-") zoom(w, h, 0.8);
  else if (event.key === "Enter" && selected && !selected.node) { toggle(selected); select(selected); }
  else return;
  event.preventDefault();
});
document.addEventListener("keydown", (event) => {
  if (event.target.matches("input, select")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (event.key === "/") { search.focus(); event.preventDefault(); }
  else if (event.key === "f" || event.key === "F") fit();
  else if (event.key === "Escape") select(null);
});

// -- the panel ------------------------------------------------------------------------------------
const list = document.getElementById("list");
const search = document.getElementById("search");
const details = document.getElementById("details");

function amount(number) {
  if (number === null || number === undefined) return "?";
  const units = ["", "k", "M", "G", "T", "P"];
  const step = number < 1000 ? 0 : Math.min(Math.floor(Math.log10(number) / 3), 5);
  return `${Number((number / 1000 ** step).toPrecision(3))} ${units[step]}`.trim();
}

function element(kind, className, text) {
  const made = document.createElement(kind);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function rowFor(box, glyph, label, count) {
  const row = element("button", "row");
  row.append(
    element("span", "glyph", glyph),
    element("span", `name ${box.phase}`, label),
    element("span", "count", count),
  );
  row.title = box.path;
  return row;
}

function listTree() {
  if (search.value.trim()) return;
  const branch = (box) => {
    const made = element("ul");
    for (const child of box.children.filter((c) => !c.node)) {
      const item = element("li");
      const row = rowFor(child, child.open ? "▾" : "▸", child.name, `${child.count}`);
      row.setAttribute("aria-expanded", String(child.open));
      row.addEventListener("click", () => {
        toggle(child);
        if (child.open) fit(child);
        select(child);
      });
      item.append(row);
      if (child.open) item.append(branch(child));
      made.append(item);
    }
    return made;
  };
  list.replaceChildren(branch(root));
}

function listFound() {
  const words = search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
  found = new Set();
  if (!words.length) { listTree(); redraw(); return; }
  const hits = [...groups.slice(1), ...leaves].filter((box) => {
    const own = box.node ? `${box.node[NAME]} ${box.node[TYPE]}` : "";
    const text = `${box.path} ${box.path.replaceAll(" / ", ".")} ${own}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
  found = new Set(hits);
  const made = element("ul");
  for (const box of hits.slice(0, 200)) {
    const item = element("li");
    const row = rowFor(box, box.node ? "·" : "▸", box.node ? box.node[NAME] : box.path, "");
    row.addEventListener("click", () => reveal(box));
    item.append(row);
    made.append(item);
  }
  const count = hits.length > 200 ? `the first 200 of ${hits.length}` : `${hits.length} found`;
  list.replaceChildren(element("p", "facts", count), made);
  redraw();
}
search.addEventListener("input", listFound);

function showDetails(box) {
  details.replaceChildren();
  if (!box) {
    const hint = "Click selects, a second click opens or folds a group. Wheel zooms, dragging moves.";
    details.append(element("p", "hint", hint));
    return;
  }
  details.append(element("h2", box.phase, box.node ? `${box.name}` : box.path));
  const rows = [];
  if (box.node) {
    rows.push(["name", box.node[NAME]], ["in", box.parent.path]);
    if (box.node[PLACE]) rows.push(["line", box.node[PLACE]]);
    const io = data.values[box.index];
    rows.push(["reads", io[0].join("\n") || "nothing"], ["makes", io[1].join("\n")]);
    rows.push(["FLOP", amount(box.node[FLOPS])], ["bytes", amount(box.node[BYTES])]);
  } else {
    rows.push(["nodes", String(box.count)], ["FLOP", amount(box.sums.flops)]);
    rows.push(["bytes", amount(box.sums.bytes)]);
  }
  if (data.timed) rows.push(["time", `${amount((box.sums.time || 0) * 1e3)} µs`]);
  const made = element("dl");
  for (const [term, text] of rows) {
    made.append(element("dt", "", term));
    const value = element("dd", "", text);
    value.style.whiteSpace = "pre-line";
    made.append(value);
  }
  details.append(made);
}

// -- the head -------------------------------------------------------------------------------------
document.getElementById("title").textContent = data.file;
document.getElementById("facts").textContent =
  `${data.count} nodes · opset ${data.opset} · ${amount(root.sums.flops)}FLOP`;
const shades = document.getElementById("shade");
if (data.timed) shades.append(new Option("time", "time", false, true));
shade = shades.value;
shades.addEventListener("change", () => { shade = shades.value; redraw(); });
document.getElementById("fit").addEventListener("click", () => fit());
document.getElementById("fold").addEventListener("click", () => {
  groups.slice(1).forEach((group) => { group.open = false; });
  refresh();
  fit();
  select(null);
});
new ResizeObserver(redraw).observe(canvas);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readColours(); redraw(); });
readColours();
for (const phase of root.children) phase.open = !phase.node && phase.children.length <= 60;
refresh();
fit();
showDetails(null);
document.documentElement.dataset.ready = "yes";
