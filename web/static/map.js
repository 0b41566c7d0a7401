// The map of a collection: all its points on a canvas, in the place of the picture that needs no script.
// The server renders the words; a point's passage is fetched when it is looked at.
"use strict";

const COLOURS = 12;
const SHAPES = 6;
const CELLS = 128;
const SHAPED_MAX = 6000; // more points than that are drawn as dots
const REACH = 12; // pixels
const MARGIN = 24;
const LOOK_MS = 120;
const STEP = 1.5;

const figure = document.getElementById("map");
const field = figure.querySelector(".field-of-points");
const canvas = field.querySelector("canvas");
const tip = field.querySelector(".tip");
const chosen = document.getElementById("map-chosen");
const pen = canvas.getContext("2d");

// Points, in the order of their groups, with a grid of cells to find them by.
class Points {
  constructor({ ids, x, y, group }) {
    const order = Uint32Array.from(ids.keys()).sort((a, b) => group[a] - group[b] || a - b);
    this.count = ids.length;
    this.ids = Array.from(order, (at) => ids[at]);
    this.x = Float32Array.from(order, (at) => x[at]);
    this.y = Float32Array.from(order, (at) => -y[at]);
    this.group = Uint8Array.from(order, (at) => group[at]);
    this.left = this.x.reduce((a, b) => Math.min(a, b), Infinity);
    this.top = this.y.reduce((a, b) => Math.min(a, b), Infinity);
    this.width = Math.max(this.x.reduce((a, b) => Math.max(a, b), -Infinity) - this.left, 1e-6);
    this.height = Math.max(this.y.reduce((a, b) => Math.max(a, b), -Infinity) - this.top, 1e-6);
    this.starts = new Uint32Array(CELLS * CELLS + 1);
    for (let at = 0; at < this.count; at++) this.starts[this.cell(this.x[at], this.y[at]) + 1]++;
    for (let cell = 0; cell < CELLS * CELLS; cell++) this.starts[cell + 1] += this.starts[cell];
    const next = this.starts.slice();
    this.byCell = new Uint32Array(this.count);
    for (let at = 0; at < this.count; at++) this.byCell[next[this.cell(this.x[at], this.y[at])]++] = at;
    this.middles = this.middlesOfGroups();
  }

  column(x) {
    return Math.min(CELLS - 1, Math.max(0, Math.floor(((x - this.left) / this.width) * CELLS)));
  }

  row(y) {
    return Math.min(CELLS - 1, Math.max(0, Math.floor(((y - this.top) / this.height) * CELLS)));
  }

  cell(x, y) {
    return this.row(y) * CELLS + this.column(x);
  }

  *within(left, top, right, bottom) {
    for (let row = this.row(top); row <= this.row(bottom); row++) {
      const first = row * CELLS;
      const end = this.starts[first + this.column(right) + 1];
      for (let place = this.starts[first + this.column(left)]; place < end; place++) yield this.byCell[place];
    }
  }

  middlesOfGroups() {
    const found = [];
    for (let at = 0; at < this.count; ) {
      let end = at;
      while (end < this.count && this.group[end] === this.group[at]) end++;
      const middle = (values) => values.slice(at, end).sort()[(end - at) >> 1];
      found.push({ group: this.group[at], x: middle(this.x), y: middle(this.y), start: at, end });
      at = end;
    }
    return found;
  }
}

class Plot {
  constructor(points) {
    this.points = points;
    this.only = null;
    this.at = null; // the chosen point
    this.looked = null; // the point under the pointer
    this.drawing = false;
    this.fit();
  }

  fit() {
    const ratio = devicePixelRatio || 1;
    canvas.width = Math.round(canvas.clientWidth * ratio);
    canvas.height = Math.round(canvas.clientHeight * ratio);
    this.ratio = ratio;
    this.wide = canvas.clientWidth;
    this.high = canvas.clientHeight;
    this.zoom = 1;
    this.middle = [this.points.left + this.points.width / 2, this.points.top + this.points.height / 2];
    this.redraw();
  }

  scales() {
    return [
      (this.zoom * (this.wide - 2 * MARGIN)) / this.points.width,
      (this.zoom * (this.high - 2 * MARGIN)) / this.points.height,
    ];
  }

  // Pixels of the canvas, of a point of the map.
  place(x, y) {
    const [wide, high] = this.scales();
    return [(x - this.middle[0]) * wide + this.wide / 2, (y - this.middle[1]) * high + this.high / 2];
  }

  // The point of the map at pixels of the canvas.
  under(px, py) {
    const [wide, high] = this.scales();
    return [(px - this.wide / 2) / wide + this.middle[0], (py - this.high / 2) / high + this.middle[1]];
  }

  zoomBy(factor, px = this.wide / 2, py = this.high / 2) {
    const before = this.under(px, py);
    this.zoom = Math.min(400, Math.max(0.5, this.zoom * factor));
    const after = this.under(px, py);
    this.middle[0] += before[0] - after[0];
    this.middle[1] += before[1] - after[1];
    this.redraw();
  }

  moveBy(dx, dy) {
    const [wide, high] = this.scales();
    this.middle[0] -= dx / wide;
    this.middle[1] -= dy / high;
    this.redraw();
  }

  shown(at) {
    return this.only === null || this.points.group[at] === this.only;
  }

  nearest(px, py) {
    const [left, top] = this.under(px - REACH, py - REACH);
    const [right, bottom] = this.under(px + REACH, py + REACH);
    let best = null;
    let least = REACH * REACH;
    for (const at of this.points.within(left, top, right, bottom)) {
      if (!this.shown(at)) continue;
      const [x, y] = this.place(this.points.x[at], this.points.y[at]);
      const far = (x - px) ** 2 + (y - py) ** 2;
      if (far < least) [best, least] = [at, far];
    }
    return best;
  }

  // The point one meets first in a direction: what lies aside counts as three times as far.
  towards(dx, dy) {
    const here = this.at === null ? [this.wide / 2, this.high / 2] : this.place(this.points.x[this.at], this.points.y[this.at]);
    let best = null;
    let least = Infinity;
    for (let at = 0; at < this.points.count; at++) {
      if (at === this.at || !this.shown(at)) continue;
      const [x, y] = this.place(this.points.x[at], this.points.y[at]);
      const ahead = (x - here[0]) * dx + (y - here[1]) * dy;
      const aside = Math.abs((x - here[0]) * dy) + Math.abs((y - here[1]) * dx);
      const far = this.at === null ? ahead ** 2 + aside ** 2 : ahead + 3 * aside;
      if ((ahead > 0.5 || this.at === null) && far < least) [best, least] = [at, far];
    }
    return best;
  }

  redraw() {
    if (this.drawing) return;
    this.drawing = true;
    requestAnimationFrame(() => {
      this.drawing = false;
      this.draw();
    });
  }

  draw() {
    const style = getComputedStyle(figure);
    const [left, top] = this.under(-MARGIN, -MARGIN);
    const [right, bottom] = this.under(this.wide + MARGIN, this.high + MARGIN);
    const { x, y, middles, count } = this.points;
    const [wide, high] = this.scales();
    const moveX = this.wide / 2 - this.middle[0] * wide;
    const moveY = this.high / 2 - this.middle[1] * high;
    const shaped = count <= SHAPED_MAX || this.zoom ** 2 >= count / SHAPED_MAX;
    const dots = shaped ? null : new Dots();
    pen.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    pen.clearRect(0, 0, this.wide, this.high);
    for (const { group, start, end } of middles) {
      const faint = this.only !== null && group !== this.only;
      const colour = style.getPropertyValue(faint ? "--line" : `--c${group % COLOURS}`).trim();
      const shape = (group + Math.floor(group / COLOURS)) % SHAPES;
      dots?.take(colour);
      pen.fillStyle = colour;
      pen.beginPath();
      for (let at = start; at < end; at++) {
        if (x[at] < left || x[at] > right || y[at] < top || y[at] > bottom) continue;
        const px = x[at] * wide + moveX;
        const py = y[at] * high + moveY;
        if (dots) dots.put(px * this.ratio, py * this.ratio);
        else outline(shape, px, py);
      }
      if (!dots) pen.fill();
    }
    dots?.show();
    this.drawNumbers(style);
    for (const [at, size] of [[this.looked, 7], [this.at, 9]]) {
      if (at !== null) this.ring(at, size, style.getPropertyValue("--ink"));
    }
  }

  drawNumbers(style) {
    pen.font = `700 14px ${style.fontFamily}`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.lineWidth = 4;
    pen.lineJoin = "round";
    pen.strokeStyle = style.getPropertyValue("--sheet");
    pen.fillStyle = style.getPropertyValue("--ink");
    for (const { group, x, y } of this.points.middles) {
      const place = this.place(x, y);
      pen.strokeText(group + 1, ...place);
      pen.fillText(group + 1, ...place);
    }
  }

  ring(at, size, colour) {
    pen.beginPath();
    pen.arc(...this.place(this.points.x[at], this.points.y[at]), size, 0, 2 * Math.PI);
    pen.lineWidth = 2;
    pen.strokeStyle = colour;
    pen.stroke();
  }
}

// Dots of two by two pixels, put down one by one: a hundred thousand calls of the canvas take too long.
class Dots {
  constructor() {
    this.image = pen.createImageData(canvas.width, canvas.height);
    this.pixels = new Uint32Array(this.image.data.buffer);
    this.wide = canvas.width;
    this.high = canvas.height;
  }

  // A colour written as #rrggbb.
  take(colour) {
    const [red, green, blue] = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));
    new Uint8Array((this.colour = new Uint32Array(1)).buffer).set([red, green, blue, 255]);
  }

  put(x, y) {
    const [column, row] = [Math.floor(x), Math.floor(y)];
    if (column < 0 || row < 0 || column + 1 >= this.wide || row + 1 >= this.high) return;
    const at = row * this.wide + column;
    this.pixels.fill(this.colour[0], at, at + 2);
    this.pixels.fill(this.colour[0], at + this.wide, at + this.wide + 2);
  }

  show() {
    pen.putImageData(this.image, 0, 0);
  }
}

function outline(shape, x, y) {
  const corners = [
    null,
    [-3, -3, 3, -3, 3, 3, -3, 3],
    [0, -4, 3.8, 3, -3.8, 3],
    [0, -4.2, 4.2, 0, 0, 4.2, -4.2, 0],
    [-1.2, -4, 1.2, -4, 1.2, -1.2, 4, -1.2, 4, 1.2, 1.2, 1.2, 1.2, 4, -1.2, 4, -1.2, 1.2, -4, 1.2, -4, -1.2, -1.2, -1.2],
    [0, 4, 3.8, -3, -3.8, -3],
  ][shape];
  if (corners === null) {
    pen.moveTo(x + 3.2, y);
    pen.arc(x, y, 3.2, 0, 2 * Math.PI);
    return;
  }
  pen.moveTo(x + corners[0], y + corners[1]);
  for (let corner = 2; corner < corners.length; corner += 2) pen.lineTo(x + corners[corner], y + corners[corner + 1]);
  pen.closePath();
}

const passages = new Map(); // id of a passage -> what the server says of it

async function passage(id) {
  if (!passages.has(id)) {
    const answer = await fetch(figure.dataset.point.replace(/\/0(?=$|\?)/, `/${id}`), { headers: { Accept: "text/html" } });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    passages.set(id, page.querySelector("article"));
  }
  return passages.get(id).cloneNode(true);
}

async function choose(plot, at) {
  plot.at = at;
  plot.redraw();
  chosen.replaceChildren();
  if (at === null) return;
  const [px, py] = plot.place(plot.points.x[at], plot.points.y[at]);
  if (px < 0 || py < 0 || px > plot.wide || py > plot.high) {
    plot.middle = [plot.points.x[at], plot.points.y[at]];
  }
  const article = await passage(plot.points.ids[at]).catch(() => null);
  if (article !== null && plot.at === at) chosen.replaceChildren(article);
}

function look(plot, at) {
  if (at === plot.looked) return;
  plot.looked = at;
  plot.redraw();
  canvas.classList.toggle("over", at !== null);
  tip.hidden = true;
  if (at === null) return;
  setTimeout(async () => {
    if (plot.looked !== at) return;
    const article = await passage(plot.points.ids[at]).catch(() => null);
    if (article === null || plot.looked !== at) return;
    article.querySelector(".next").remove();
    tip.replaceChildren(article);
    const [px, py] = plot.place(plot.points.x[at], plot.points.y[at]);
    tip.hidden = false;
    tip.style.left = `${Math.max(0, Math.min(px + 12, plot.wide - tip.offsetWidth))}px`;
    tip.style.top = `${py + 14 + tip.offsetHeight > plot.high ? py - 14 - tip.offsetHeight : py + 14}px`;
  }, LOOK_MS);
}

function byPointer(plot) {
  let held = null;
  let moved = false;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    held = [event.clientX, event.clientY];
    moved = false;
    if (event.pointerType !== "touch") canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (held !== null && event.pointerType !== "touch") {
      const [dx, dy] = [event.clientX - held[0], event.clientY - held[1]];
      if (!moved && Math.hypot(dx, dy) < 4) return;
      moved = true;
      held = [event.clientX, event.clientY];
      look(plot, null);
      plot.moveBy(dx, dy);
      return;
    }
    look(plot, plot.nearest(event.offsetX, event.offsetY));
  });
  canvas.addEventListener("pointerup", (event) => {
    if (held !== null && !moved) choose(plot, plot.nearest(event.offsetX, event.offsetY));
    held = null;
  });
  canvas.addEventListener("pointercancel", () => (held = null));
  canvas.addEventListener("pointerleave", () => look(plot, null));
  // A page must be scrolled past a map; who has clicked into it means the map.
  canvas.addEventListener(
    "wheel",
    (event) => {
      if (document.activeElement !== canvas && !event.ctrlKey) return;
      event.preventDefault();
      plot.zoomBy(STEP ** (event.deltaY < 0 ? 0.5 : -0.5), event.offsetX, event.offsetY);
    },
    { passive: false },
  );
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function byKey(plot) {
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const arrow = ARROWS[event.key];
    if (arrow && event.shiftKey) plot.moveBy(-60 * arrow[0], -60 * arrow[1]);
    else if (arrow) choose(plot, plot.towards(...arrow) ?? plot.at);
    else if (event.key === "+" || event.key === "=") plot.zoomBy(STEP);
    else if (event.key === "-") plot.zoomBy(1 / STEP);
    else if (event.key === "0") plot.fit();
    else if (event.key === "Enter") chosen.querySelector("[data-go]")?.click();
    else if (event.key === "Escape") choose(plot, null);
    else return;
    event.preventDefault();
  });
}

function byButton(plot) {
  const zooms = { in: () => plot.zoomBy(STEP), out: () => plot.zoomBy(1 / STEP), all: () => plot.fit() };
  for (const button of field.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", zooms[button.dataset.zoom]);
  }
  const groups = document.querySelectorAll("[data-group]");
  for (const button of groups) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const group = Number(button.dataset.group);
      plot.only = plot.only === group ? null : group;
      for (const other of groups) other.setAttribute("aria-pressed", String(Number(other.dataset.group) === plot.only));
      plot.redraw();
    });
  }
}

async function start() {
  const answer = await fetch(figure.dataset.points, { headers: { Accept: "application/json" } });
  if (!answer.ok) return; // the picture stays
  const points = new Points((await answer.json()).points);
  figure.querySelector("svg.picture").classList.add("hidden");
  document.getElementById("map-sample").hidden = true;
  document.getElementById("map-keys").hidden = false;
  field.hidden = false;
  const plot = new Plot(points);
  byPointer(plot);
  byKey(plot);
  byButton(plot);
  new ResizeObserver(() => {
    if (canvas.clientWidth !== plot.wide) plot.fit();
  }).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plot.redraw());
  figure.dataset.ready = "yes";
}

start();
