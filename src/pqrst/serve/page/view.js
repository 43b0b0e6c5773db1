const SHORTEST_SPAN = 0.4;

/** The seconds that are on the paper, kept within the recording. */
export class View {
  constructor(onChange) {
    this.onChange = onChange;
    this.duration = 0;
    this.paperSpan = 10;
    this.start = 0;
    this.span = 10;
  }

  get end() {
    return Math.min(this.duration, this.start + this.span);
  }

  get longestSpan() {
    return Math.max(this.duration, this.paperSpan);
  }

  get atPaperSpeed() {
    return Math.abs(this.span - this.paperSpan) < 1e-6 * this.paperSpan;
  }

  open(duration) {
    this.duration = duration;
    this.set(0, this.paperSpan);
  }

  setPaperSpan(span) {
    const followed = this.atPaperSpeed;
    this.paperSpan = span;
    this.set(this.start, followed ? span : this.span);
  }

  set(start, span) {
    this.span = Math.min(this.longestSpan, Math.max(SHORTEST_SPAN, span));
    this.start = Math.min(Math.max(0, this.duration - this.span), Math.max(0, start));
    this.onChange();
  }

  pan(seconds) {
    this.set(this.start + seconds, this.span);
  }

  centre(second) {
    this.set(second - this.span / 2, this.span);
  }

  /** Zooms about the place that lies at `fraction` of the paper's width; returns whether anything changed. */
  zoom(factor, fraction = 0.5) {
    const before = this.span;
    const fixed = this.start + fraction * before;
    const span = Math.min(this.longestSpan, Math.max(SHORTEST_SPAN, before * factor));
    if (Math.abs(span - before) < 1e-9) return false;
    this.set(fixed - fraction * span, span);
    return true;
  }

  toPaperSpeed() {
    const middle = this.start + this.span / 2;
    this.set(middle - this.paperSpan / 2, this.paperSpan);
  }

  toWhole() {
    this.set(0, this.longestSpan);
  }

  /** Brings a window into sight, and near enough to be read. */
  reveal(start, end) {
    const length = end - start;
    const isFar = this.span > 3 * length;
    if (!isFar && start >= this.start && end <= this.start + this.span) return;
    const span = isFar ? this.paperSpan : this.span;
    this.set(span < length ? start - 0.04 * span : (start + end - span) / 2, span);
  }
}
