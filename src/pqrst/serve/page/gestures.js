const CLICK_SLOP = 5;
const SCROLL_REST = 250;
const WHEEL_RATE = 0.0022;
const PINCH_RATE = 0.01; // a trackpad sends its pinch as small wheel steps with Ctrl

function wheelPixels(event) {
  const unit = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : event.deltaMode === WheelEvent.DOM_DELTA_PAGE ? 400 : 1;
  return { across: event.deltaX * unit, down: event.deltaY * unit };
}

/** The wheel zooms, sideways or with Shift it pans; a page scroll that only passes over the paper is left alone. */
function listenToWheel(canvas, paper, view) {
  let lastScroll = 0;
  let lastWheel = 0;
  addEventListener("scroll", () => { lastScroll = performance.now(); }, { passive: true });
  const take = (event) => {
    const now = performance.now();
    if (now - lastScroll < SCROLL_REST && now - lastWheel > SCROLL_REST) return;
    const { across, down } = wheelPixels(event);
    const sideways = event.shiftKey ? across || down : Math.abs(across) > Math.abs(down) ? across : 0;
    if (sideways) view.pan((sideways / paper.plotWidth) * view.span);
    else if (!view.zoom(Math.exp(down * (event.ctrlKey ? PINCH_RATE : WHEEL_RATE)), Math.min(1, Math.max(0, paper.fractionAt(event.clientX))))) return;
    lastWheel = now;
    event.preventDefault();
  };
  canvas.addEventListener("wheel", take, { passive: false });
}

function placeOf(event) {
  return { x: event.clientX, y: event.clientY };
}

function listenToPointers(canvas, paper, view, onPick) {
  const held = new Map();
  let travelled = 0;

  const pinch = () => {
    const [one, other] = [...held.values()];
    return { middle: (one.x + other.x) / 2, distance: Math.max(24, Math.hypot(one.x - other.x, one.y - other.y)) };
  };

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    if (held.size === 0) travelled = 0;
    held.set(event.pointerId, placeOf(event));
    canvas.setPointerCapture(event.pointerId);
    canvas.classList.add("held");
  });

  canvas.addEventListener("pointermove", (event) => {
    if (!held.has(event.pointerId)) return;
    const secondsPerPixel = view.span / paper.plotWidth;
    if (held.size === 1) {
      const moved = event.clientX - held.get(event.pointerId).x;
      held.set(event.pointerId, placeOf(event));
      travelled += Math.abs(moved);
      view.pan(-moved * secondsPerPixel);
      return;
    }
    const before = pinch();
    held.set(event.pointerId, placeOf(event));
    const after = pinch();
    travelled += CLICK_SLOP + 1;
    view.zoom(before.distance / after.distance, paper.fractionAt(after.middle));
    view.pan(((before.middle - after.middle) / paper.plotWidth) * view.span);
  });

  const release = (event) => {
    if (!held.delete(event.pointerId)) return;
    if (held.size === 0) canvas.classList.remove("held");
    const fraction = paper.fractionAt(event.clientX);
    const isClick = event.type === "pointerup" && held.size === 0 && travelled <= CLICK_SLOP && fraction >= 0;
    if (isClick) onPick(view.start + fraction * view.span);
  };
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
}

function listenToKeys(canvas, view) {
  const actions = {
    ArrowLeft: (event) => view.pan(-view.span * (event.shiftKey ? 0.9 : 0.1)),
    ArrowRight: (event) => view.pan(view.span * (event.shiftKey ? 0.9 : 0.1)),
    PageUp: () => view.pan(-view.span * 0.9),
    PageDown: () => view.pan(view.span * 0.9),
    Home: () => view.set(0, view.span),
    End: () => view.set(view.duration, view.span),
    "+": () => view.zoom(1 / 1.5),
    "=": () => view.zoom(1 / 1.5),
    "-": () => view.zoom(1.5),
    "0": () => view.toPaperSpeed(),
  };
  canvas.addEventListener("keydown", (event) => {
    const action = actions[event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    action(event);
  });
}

export function listenOnPaper(canvas, paper, view, onPick) {
  listenToWheel(canvas, paper, view);
  listenToPointers(canvas, paper, view, onPick);
  listenToKeys(canvas, view);
}

export function listenOnOverview(canvas, overview, view) {
  let grip = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const second = overview.secondAt(event.clientX);
    const inside = second >= view.start && second <= view.end;
    if (!inside) view.centre(second);
    grip = second - view.start;
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (grip !== null) view.set(overview.secondAt(event.clientX) - grip, view.span);
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { grip = null; });
  listenToKeys(canvas, view);
}

const WINDOW_STEPS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: 10, PageDown: -10 };

export function listenOnWindows(canvas, strip, choose) {
  let sweeping = false;
  const chooseUnder = (event) => choose(strip.windowUnder(event.clientX));
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    sweeping = true;
    canvas.setPointerCapture(event.pointerId);
    chooseUnder(event);
  });
  canvas.addEventListener("pointermove", (event) => { if (sweeping) chooseUnder(event); });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { sweeping = false; });
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const last = strip.windows.length - 1;
    const target = { Home: 0, End: last }[event.key] ?? strip.chosen + (WINDOW_STEPS[event.key] ?? NaN);
    if (Number.isNaN(target)) return;
    event.preventDefault();
    choose(Math.min(last, Math.max(0, target)));
  });
}
