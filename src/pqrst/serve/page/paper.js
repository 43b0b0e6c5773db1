import { FONT, fitCanvas, gutterOf, smallFont, writeFitted } from "./canvas.js";
import { fillColumns, greatestOf, leastOf } from "./signal.js";
import { clock } from "./words.js";

const MILLIMETRES_PER_SECOND = 25;
const AXIS_HEIGHT = 22;
const LANE_HEIGHT = 34;
const GRID_STEPS = [0.04, 0.2, 1, 5, 30, 300, 1800, 9000];
const LABEL_STEPS = [0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600];
const RAW_UP_TO = 3; // samples in a pixel: below, each sample is joined to the next
const LINE_UP_TO = 24; // below, a smooth line through each pixel; above, bars from least to greatest
const STROKE_LENGTH = 24;
const DRAFT_FROM = 1500; // pixels of trace, above which a moving picture is drawn in bars and smoothed at rest

/** Millimetres of paper for a lead, and where in them its middle lies; whole squares of 5 mm keep it on the grid. */
function rowOf(leadCount) {
  if (leadCount === 1) return { pitch: 50, middle: 30, headroom: 0 };
  if (leadCount === 2) return { pitch: 40, middle: 25, headroom: 0 };
  if (leadCount === 3) return { pitch: 30, middle: 20, headroom: 0 };
  if (leadCount <= 6) return { pitch: 25, middle: 15, headroom: 0 };
  return { pitch: 15, middle: 10, headroom: 5 };
}

export class Paper {
  constructor(canvas, view) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
    this.view = view;
    this.track = null;
    this.gain = 10;
    this.colours = {};
    this.chosen = null;
    this.attention = null;
    this.hasLane = false;
    this.isMoving = false;
    this.low = new Int16Array(0);
    this.high = new Int16Array(0);
  }

  get plotWidth() {
    return this.canvas.clientWidth - gutterOf(this.canvas.clientWidth);
  }

  fractionAt(clientX) {
    const box = this.canvas.getBoundingClientRect();
    return (clientX - box.left - gutterOf(box.width)) / (box.width - gutterOf(box.width));
  }

  /** Ten seconds fill a wide screen; on a narrow one the squares stay large enough to be seen. */
  get millimetre() {
    return Math.min(4.4, Math.max(2.6, this.plotWidth / 250));
  }

  get millimetresPerSecond() {
    return this.plotWidth / this.view.span / this.millimetre;
  }

  layOut() {
    if (!this.track || this.canvas.clientWidth === 0) return;
    const row = rowOf(this.track.leads.length);
    const stretch = Math.max(1, this.gain / 10);
    this.pitch = row.pitch * stretch * this.millimetre;
    this.middle = row.middle * stretch * this.millimetre;
    this.headroom = row.headroom * this.millimetre;
    this.rowsHeight = this.pitch * this.track.leads.length + 2 * this.headroom;
    fitCanvas(this.canvas, Math.round(AXIS_HEIGHT + this.rowsHeight + (this.hasLane ? LANE_HEIGHT : 0)));
    this.view.setPaperSpan(this.plotWidth / (MILLIMETRES_PER_SECOND * this.millimetre));
  }

  draw() {
    if (!this.track || this.canvas.width <= 1) return;
    const scale = this.canvas.width / this.canvas.clientWidth;
    const left = Math.round(gutterOf(this.canvas.clientWidth) * scale);
    this.frame = {
      scale,
      left,
      top: Math.round(AXIS_HEIGHT * scale),
      width: this.canvas.width - left,
      bottom: Math.round((AXIS_HEIGHT + this.rowsHeight) * scale),
      pixelsPerSecond: (this.canvas.width - left) / this.view.span,
    };
    this.drawGround();
    this.drawLinesOfVoltage();
    this.drawLinesOfTime();
    this.drawClipped(0, this.canvas.height, () => {
      this.drawAttention();
      this.drawChosenWindow();
    });
    this.drawClipped(this.frame.top, this.frame.bottom, () => {
      this.track.leads.forEach((lead, index) => this.drawTrace(lead, this.baseline(index)));
    });
    this.drawGutter();
    this.drawAxis();
  }

  baseline(index) {
    return (AXIS_HEIGHT + this.headroom + this.pitch * index + this.middle) * this.frame.scale;
  }

  xOf(second) {
    return this.frame.left + (second - this.view.start) * this.frame.pixelsPerSecond;
  }

  drawClipped(top, bottom, drawing) {
    const { context, frame } = this;
    context.save();
    context.beginPath();
    context.rect(frame.left, top, frame.width, bottom - top);
    context.clip();
    drawing();
    context.restore();
  }

  drawGround() {
    const { context, canvas, colours, frame } = this;
    context.fillStyle = colours.paper;
    context.fillRect(0, frame.top, canvas.width, frame.bottom - frame.top);
    context.fillStyle = colours.surface;
    context.fillRect(0, 0, canvas.width, frame.top);
    context.fillRect(0, frame.bottom, canvas.width, canvas.height - frame.bottom);
  }

  drawLinesOfVoltage() {
    const { context, canvas, colours, frame } = this;
    const thickness = Math.max(1, Math.round(frame.scale * 0.75));
    const spacing = this.millimetre * frame.scale;
    const count = Math.floor((frame.bottom - frame.top) / spacing);
    for (const [colour, every] of [[colours["paper-minor"], 1], [colours["paper-major"], 5]]) {
      context.fillStyle = colour;
      for (let line = 0; line <= count; line += every) {
        context.fillRect(0, Math.round(frame.top + line * spacing), canvas.width, thickness);
      }
    }
  }

  drawLinesOfTime() {
    const { context, colours, frame, view } = this;
    const thickness = Math.max(1, Math.round(frame.scale * 0.75));
    const finest = GRID_STEPS.findIndex((step) => step * frame.pixelsPerSecond >= 2.3 * frame.scale);
    const height = frame.bottom - frame.top;
    for (const [colour, step] of [
      [colours["paper-minor"], GRID_STEPS[finest]],
      [colours["paper-major"], GRID_STEPS[finest + 1]],
    ]) {
      if (!step) continue;
      context.fillStyle = colour;
      const last = Math.floor((view.start + view.span) / step);
      for (let line = Math.ceil(view.start / step); line <= last; line += 1) {
        context.fillRect(Math.round(this.xOf(line * step)), frame.top, thickness, height);
      }
    }
  }

  drawChosenWindow() {
    if (!this.chosen) return;
    const { context, canvas, colours, frame } = this;
    const [from, to] = [this.xOf(this.chosen.start), this.xOf(this.chosen.end)];
    if (to < frame.left || from > canvas.width) return;
    const thickness = Math.max(1, Math.round(1.5 * frame.scale));
    context.fillStyle = colours.accent;
    context.fillRect(from, frame.top - 3 * frame.scale, to - from, 3 * frame.scale);
    context.fillRect(Math.round(from), frame.top, thickness, canvas.height - frame.top);
    context.fillRect(Math.round(to) - thickness, frame.top, thickness, canvas.height - frame.top);
  }

  /** Attention shades the paper behind the trace and, for those who do not see the shade, rises in a lane below it. */
  drawAttention() {
    if (!this.attention) return;
    const { context, canvas, colours, frame } = this;
    const { start, step, received, peak } = this.attention;
    const width = Math.max(1, Math.round(frame.scale));
    const from = Math.max(frame.left, Math.floor(this.xOf(start)));
    const to = Math.min(canvas.width, Math.ceil(this.xOf(start + received.length * step)));
    const indexAt = (x) => ((x - frame.left) / frame.pixelsPerSecond + this.view.start - start) / step;
    const floor = canvas.height - Math.round(4 * frame.scale);
    const room = floor - frame.bottom - 6 * frame.scale;
    for (let x = from; x < to; x += width) {
      const first = Math.max(0, Math.floor(indexAt(x)));
      const last = Math.min(received.length, Math.max(first + 1, Math.floor(indexAt(x + width))));
      let most = 0;
      for (let i = first; i < last; i += 1) if (received[i] > most) most = received[i];
      const share = most / peak;
      // a nearly even map must not look like a strong one, so the shade begins at the mean
      context.globalAlpha = 0.6 * Math.max(0, (most - 1) / (peak - 1));
      context.fillStyle = colours.attention;
      context.fillRect(x, frame.top, width, frame.bottom - frame.top);
      context.globalAlpha = 1;
      context.fillStyle = colours["attention-ink"];
      context.fillRect(x, floor - share * room, width, share * room);
    }
    this.drawMeanOfAttention(from, to, floor - room / peak);
  }

  drawMeanOfAttention(from, to, y) {
    const { context, colours, frame } = this;
    context.fillStyle = colours.muted;
    for (let x = from; x < to; x += 8 * frame.scale) {
      context.fillRect(x, Math.round(y), Math.min(4 * frame.scale, to - x), Math.max(1, Math.round(frame.scale)));
    }
  }

  drawTrace(lead, baseline) {
    const { context, colours, frame, view, track } = this;
    const samplesPerPixel = track.fs / frame.pixelsPerSecond;
    const pixelsPerCount = (this.gain * this.millimetre * frame.scale) / track.countsPerMillivolt;
    const yOf = (value) => baseline - (value - lead.middle) * pixelsPerCount;
    context.strokeStyle = colours.trace;
    context.fillStyle = colours.trace;
    context.lineWidth = 1.25 * frame.scale;
    context.lineJoin = "bevel";
    const isDraft = this.isMoving && samplesPerPixel >= 1.2 && frame.width * track.leads.length > DRAFT_FROM;
    if (samplesPerPixel <= RAW_UP_TO && !isDraft) {
      this.strokeSamples(lead, yOf);
      return;
    }
    const firstColumn = Math.floor((view.start * track.fs) / samplesPerPixel);
    const end = Math.min(lead.samples.length, (view.start + view.span) * track.fs);
    const count = Math.max(0, Math.ceil(end / samplesPerPixel) - firstColumn);
    if (this.low.length < count) [this.low, this.high] = [new Int16Array(count + 64), new Int16Array(count + 64)];
    fillColumns(lead, track.missing, firstColumn, samplesPerPixel, count, this.low, this.high);
    const left = frame.left + firstColumn - (view.start * track.fs) / samplesPerPixel;
    if (samplesPerPixel <= LINE_UP_TO && !isDraft) this.strokeColumns(left, count, yOf);
    else this.fillColumnBars(Math.round(left), count, yOf, samplesPerPixel <= LINE_UP_TO ? 1 : 0.78);
  }

  strokeSamples(lead, yOf) {
    const { context, frame, view, track } = this;
    const from = Math.max(0, Math.floor(view.start * track.fs) - 1);
    const to = Math.min(lead.samples.length, Math.ceil((view.start + view.span) * track.fs) + 2);
    const pixelsPerSample = frame.pixelsPerSecond / track.fs;
    let x = this.xOf(from / track.fs);
    let drawing = false;
    context.beginPath();
    for (let i = from; i < to; i += 1, x += pixelsPerSample) {
      const value = lead.samples[i];
      if (value === track.missing) drawing = false;
      else if (drawing) context.lineTo(x, yOf(value));
      else {
        context.moveTo(x, yOf(value));
        drawing = true;
      }
      if (drawing && i % STROKE_LENGTH === 0) this.strokePart(x, yOf(value));
    }
    context.stroke();
  }

  /** Without a graphics card one long path takes many times as long to draw as the same path in short parts. */
  strokePart(x, y) {
    this.context.stroke();
    this.context.beginPath();
    this.context.moveTo(x, y);
  }

  strokeColumns(left, count, yOf) {
    const { context, low, high } = this;
    let previous = null;
    context.beginPath();
    for (let column = 0; column < count; column += 1) {
      if (low[column] > high[column]) {
        previous = null;
        continue;
      }
      const risesFirst = previous !== null && Math.abs(high[column] - previous) < Math.abs(low[column] - previous);
      const [first, second] = risesFirst ? [high[column], low[column]] : [low[column], high[column]];
      if (previous === null) context.moveTo(left + column, yOf(first));
      else context.lineTo(left + column, yOf(first));
      context.lineTo(left + column + 0.5, yOf(second));
      previous = second;
      if (column % STROKE_LENGTH === 0) this.strokePart(left + column + 0.5, yOf(second));
    }
    context.stroke();
  }

  fillColumnBars(left, count, yOf, opacity) {
    const { context, low, high, frame } = this;
    const thickness = frame.scale;
    context.globalAlpha = opacity;
    for (let column = 0; column < count; column += 1) {
      if (low[column] > high[column]) continue;
      const top = yOf(greatestOf(low, high, column));
      context.fillRect(left + column, top - thickness / 2, 1, yOf(leastOf(low, high, column)) - top + thickness);
    }
    context.globalAlpha = 1;
  }

  drawGutter() {
    const { context, colours, frame, track } = this;
    context.fillStyle = colours.line;
    context.fillRect(frame.left - Math.max(1, Math.round(frame.scale)), frame.top, Math.max(1, Math.round(frame.scale)), this.canvas.height);
    context.textBaseline = "middle";
    context.textAlign = "left";
    track.leads.forEach((lead, index) => {
      const y = this.baseline(index);
      context.font = `600 ${(frame.left < 60 * frame.scale ? 11 : 13) * frame.scale}px ${FONT}`;
      context.fillStyle = colours.ink;
      writeFitted(context, lead.name, 5 * frame.scale, y, frame.left - (5 * this.millimetre + 15) * frame.scale);
      this.drawCalibration(y);
    });
    if (!this.hasLane) return;
    context.font = smallFont(this.canvas, frame.scale);
    context.fillStyle = colours.muted;
    const y = (frame.bottom + this.canvas.height) / 2;
    writeFitted(context, "attention", 5 * frame.scale, y, frame.left - 8 * frame.scale);
  }

  /** One millivolt high and five millimetres wide, as a recorder marks the beginning of its paper. */
  drawCalibration(y) {
    const { context, colours, frame } = this;
    const unit = this.millimetre * frame.scale;
    const right = frame.left - 4 * frame.scale;
    const top = y - this.gain * unit;
    context.strokeStyle = colours.trace;
    context.lineWidth = 1.25 * frame.scale;
    context.beginPath();
    context.moveTo(right - 6 * unit, y);
    context.lineTo(right - 5.5 * unit, y);
    context.lineTo(right - 5.5 * unit, top);
    context.lineTo(right - 0.5 * unit, top);
    context.lineTo(right - 0.5 * unit, y);
    context.lineTo(right, y);
    context.stroke();
  }

  drawAxis() {
    const { context, canvas, colours, frame, view } = this;
    const step = LABEL_STEPS.find((each) => each * frame.pixelsPerSecond >= 64 * frame.scale) ?? 7200;
    context.font = `${11 * frame.scale}px ${FONT}`;
    context.textBaseline = "middle";
    context.textAlign = "center";
    context.fillStyle = colours.muted;
    for (let mark = Math.ceil(view.start / step); mark * step <= view.end + 1e-9; mark += 1) {
      const text = clock(mark * step, step);
      const half = context.measureText(text).width / 2;
      const x = Math.min(canvas.width - half - 2, Math.max(frame.left + half + 2, this.xOf(mark * step)));
      context.fillText(text, x, (frame.top - 3 * frame.scale) / 2);
      context.fillRect(Math.round(this.xOf(mark * step)), frame.top - 4 * frame.scale, Math.max(1, Math.round(frame.scale)), 4 * frame.scale);
    }
  }
}
