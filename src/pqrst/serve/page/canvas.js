export const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif";

/** Gives a canvas one pixel for each pixel of the screen; tells whether its size changed. */
export function fitCanvas(canvas, cssHeight) {
  const scale = window.devicePixelRatio || 1;
  const width = Math.max(1, Math.round(canvas.clientWidth * scale));
  const height = Math.max(1, Math.round(cssHeight * scale));
  if (canvas.style.height !== `${cssHeight}px`) canvas.style.height = `${cssHeight}px`;
  if (canvas.width === width && canvas.height === height) return false;
  canvas.width = width;
  canvas.height = height;
  return true;
}

const NARROW = 560;

export function smallFont(canvas, scale) {
  return `${(canvas.clientWidth < NARROW ? 10 : 11) * scale}px ${FONT}`;
}

export function gutterOf(cssWidth) {
  return cssWidth < NARROW ? 58 : 66;
}

export function writeFitted(context, text, x, y, room) {
  let shown = text;
  while (shown.length > 1 && context.measureText(shown).width > room) shown = `${shown.slice(0, -2)}…`;
  context.fillText(shown, x, y);
}
