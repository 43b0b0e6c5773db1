import { fitCanvas, gutterOf, smallFont, writeFitted } from "./canvas.js";
import { fillColumns, greatestOf, leastOf } from "./signal.js";

const OVERVIEW_HEIGHT = 48;
const LANE_HEIGHT = 22;
const MOST_LANES = 6;

function plotOf(canvas) {
  const scale = canvas.width / canvas.clientWidth;
  const left = Math.round(gutterOf(canvas.clientWidth) * scale);
  return { scale, left, width: canvas.width - left, height: canvas.height };
}

function fractionAt(canvas, clientX) {
  const box = canvas.getBoundingClientRect();
  const gutter = gutterOf(box.width);
  return Math.min(1, Math.max(0, (clientX - box.left - gutter) / (box.width - gutter)));
}

/** The whole recording on one strip; its envelope is drawn once and kept, so that a frame costs one copy. */
export class Overview {
  constructor(canvas, view) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
    this.kept = document.createElement("canvas");
    this.view = view;
    this.track = null;
    this.colours = {};
  }

  secondAt(clientX) {
    return fractionAt(this.canvas, clientX) * this.view.duration;
  }

  layOut() {
    if (!this.track || this.canvas.clientWidth === 0) return;
    fitCanvas(this.canvas, OVERVIEW_HEIGHT);
    this.kept.width = this.canvas.width;
    this.kept.height = this.canvas.height;
    this.drawEnvelope();
  }

  drawEnvelope() {
    const context = this.kept.getContext("2d", { alpha: false });
    const { scale, left, width, height } = plotOf(this.canvas);
    const lead = this.track.leads[0];
    const [low, high] = [new Int16Array(width), new Int16Array(width)];
    fillColumns(lead, this.track.missing, 0, lead.samples.length / width, width, low, high);
    const { bottom, top } = commonRange(low, high);
    const yOf = (value) => height - 5 * scale - ((value - bottom) / Math.max(1, top - bottom)) * (height - 10 * scale);
    context.fillStyle = this.colours.surface;
    context.fillRect(0, 0, this.canvas.width, height);
    context.fillStyle = this.colours.overview;
    for (let column = 0; column < width; column += 1) {
      if (low[column] > high[column]) continue;
      const y = yOf(greatestOf(low, high, column));
      context.fillRect(left + column, y, 1, Math.max(scale, yOf(leastOf(low, high, column)) - y));
    }
    context.font = smallFont(this.canvas, scale);
    context.textBaseline = "middle";
    context.fillStyle = this.colours.muted;
    writeFitted(context, lead.name, 5 * scale, height / 2, left - 8 * scale);
  }

  draw() {
    if (!this.track || this.canvas.width <= 1) return;
    const { context, view, colours } = this;
    const { scale, left, width, height } = plotOf(this.canvas);
    context.drawImage(this.kept, 0, 0);
    const from = left + (view.start / view.duration) * width;
    const to = Math.max(from + 4 * scale, left + (view.end / view.duration) * width);
    context.globalAlpha = 0.16;
    context.fillStyle = colours.accent;
    context.fillRect(from, 0, to - from, height);
    context.globalAlpha = 1;
    context.strokeStyle = colours.accent;
    context.lineWidth = 2 * scale;
    context.strokeRect(from + scale, scale, Math.max(scale, to - from - 2 * scale), height - 2 * scale);
  }
}

/** Single spikes must not flatten the rest: the outermost columns are left out of the range. */
function commonRange(low, high) {
  const filled = [...low.keys()].filter((column) => low[column] <= high[column]);
  if (!filled.length) return { bottom: 0, top: 1 };
  const lows = filled.map((column) => low[column]).sort((a, b) => a - b);
  const highs = filled.map((column) => high[column]).sort((a, b) => a - b);
  const spared = Math.floor(filled.length * 0.01);
  return { bottom: lows[spared], top: highs[highs.length - 1 - spared] };
}

/** Windows may overlap: each is shown from midway to the one before to midway to the one after. */
function slotsOf(windows) {
  const middles = windows.map((each) => (each.start + each.end) / 2);
  return windows.map((each, i) => ({
    start: i === 0 ? each.start : (middles[i - 1] + middles[i]) / 2,
    end: i === windows.length - 1 ? each.end : (middles[i] + middles[i + 1]) / 2,
  }));
}

function lanesOf(classes, windows) {
  const indices = classes.map((_, i) => i);
  if (classes.length <= MOST_LANES) return indices;
  const peaks = indices.map((i) => windows.reduce((most, each) => Math.max(most, each.probabilities[i]), 0));
  return indices.sort((a, b) => peaks[b] - peaks[a]).slice(0, MOST_LANES).sort((a, b) => a - b);
}

/** A lane for each class and a bar for each window: place and height say what the colour says. */
export class WindowStrip {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
    this.windows = [];
    this.colours = {};
    this.chosen = 0;
  }

  open({ windows, classes, duration, isFound }) {
    Object.assign(this, { windows, classes, duration, isFound, chosen: 0 });
    this.slots = slotsOf(windows);
    this.lanes = lanesOf(classes, windows);
  }

  get hidesClasses() {
    return this.lanes.length < this.classes.length;
  }

  windowAt(second) {
    const found = this.slots.findIndex((slot) => second < slot.end);
    return found < 0 ? this.slots.length - 1 : found;
  }

  windowUnder(clientX) {
    return this.windowAt(fractionAt(this.canvas, clientX) * this.duration);
  }

  layOut() {
    if (this.windows.length && this.canvas.clientWidth) fitCanvas(this.canvas, this.lanes.length * LANE_HEIGHT + 8);
  }

  draw() {
    if (!this.windows.length || this.canvas.width <= 1) return;
    const { context, canvas, colours } = this;
    const plot = plotOf(canvas);
    context.fillStyle = colours.surface;
    context.fillRect(0, 0, canvas.width, canvas.height);
    this.lanes.forEach((classIndex, lane) => this.drawLane(plot, classIndex, lane));
    this.drawChosen(plot);
  }

  drawLane({ scale, left, width }, classIndex, lane) {
    const { context, canvas, colours } = this;
    const floor = ((lane + 1) * LANE_HEIGHT + 4) * scale;
    const room = (LANE_HEIGHT - 5) * scale;
    const perSecond = width / this.duration;
    context.fillStyle = colours.line;
    context.fillRect(left, Math.round(floor), canvas.width - left, Math.max(1, Math.round(scale)));
    context.font = smallFont(this.canvas, scale);
    context.textBaseline = "middle";
    context.fillStyle = colours.muted;
    writeFitted(context, this.classes[classIndex], 5 * scale, floor - room / 2, left - 8 * scale);
    context.fillStyle = colours[`class-${lane % MOST_LANES}`];
    this.windows.forEach((each, i) => {
      const from = left + this.slots[i].start * perSecond;
      const slot = (this.slots[i].end - this.slots[i].start) * perSecond;
      const gap = slot > 5 * scale ? scale : 0;
      const height = Math.max(scale, each.probabilities[classIndex] * room);
      context.globalAlpha = this.isFound(each, classIndex) ? 1 : 0.34;
      context.fillRect(from, floor - height, Math.max(scale, slot - gap), height);
    });
    context.globalAlpha = 1;
  }

  drawChosen({ scale, left, width, height }) {
    const { context, colours } = this;
    const perSecond = width / this.duration;
    const slot = this.slots[this.chosen];
    const size = Math.max(5 * scale, (slot.end - slot.start) * perSecond);
    const from = left + ((slot.start + slot.end) / 2) * perSecond - size / 2;
    const inset = Math.min(Math.max(from, left), left + width - size);
    context.strokeStyle = colours.ink;
    context.lineWidth = 1.5 * scale;
    context.strokeRect(inset + 0.75 * scale, 0.75 * scale, size - 1.5 * scale, height - 1.5 * scale);
  }
}
