import { counted, decimal, duration, labelNames, percent } from "./words.js";

const MOST_BARS = 10;

export function element(tag, { text, className, children = [] } = {}) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  made.append(...children);
  return made;
}

function bar({ name, probability, found, mark, threshold }) {
  const label = element("span", { className: "bar-name", text: name });
  if (found) label.append(element("span", { className: "bar-mark", text: mark }));
  const fill = element("span", { className: "bar-fill" });
  const track = element("span", { className: "bar-track", children: [fill] });
  fill.style.setProperty("--share", String(probability));
  if (threshold !== undefined) {
    const tick = element("span", { className: "bar-threshold" });
    tick.style.setProperty("--share", String(threshold));
    tick.title = `threshold ${percent(threshold)}`;
    track.append(tick);
  }
  const row = element("li", {
    className: found ? "bar found" : "bar",
    children: [label, element("span", { className: "bar-value", text: percent(probability) }), track],
  });
  row.dataset.class = name;
  return row;
}

function byProbability(one, other) {
  return other.probability - one.probability;
}

export function fillBars(list, rows, mark) {
  const sorted = [...rows].sort(byProbability);
  list.replaceChildren(...sorted.map((row) => bar({ ...row, mark })));
  const isLong = sorted.length > MOST_BARS;
  list.classList.toggle("long", isLong);
  if (isLong) list.tabIndex = 0;
  else list.removeAttribute("tabindex");
}

export function thresholdsOf(model, classes, task) {
  if (task === "single") return null;
  return classes.map((_, i) => model?.thresholds?.[i] ?? 0.5);
}

export function showDiagnosis(parts, answer, thresholds) {
  const found = [answer.recording.class].flat();
  parts.winner.textContent = labelNames(answer.recording.class);
  parts.winner.classList.toggle("several", found.length !== 1);
  const { windows, seconds } = answer.recording;
  parts.basis.textContent = `from ${counted(windows, "window")} over ${duration(seconds)}`;
  const rows = answer.classes.map((name, i) => ({
    name,
    probability: answer.recording.probabilities[name] ?? 0,
    found: found.includes(name),
    threshold: thresholds?.[i],
  }));
  fillBars(parts.probabilities, rows, thresholds ? "found" : "");
}

export function windowTimes(each) {
  return `${decimal(each.start)} to ${decimal(each.end)} s`;
}

/** The server's own word for a window comes first; thresholds only stand in where it gives none. */
export function isFound(each, classes, index, thresholds) {
  if (Array.isArray(each.class) || !thresholds) return [each.class].flat().includes(classes[index]);
  return each.probabilities[index] >= thresholds[index];
}

export function windowLabel(each, classes, thresholds) {
  if (!thresholds) return `${each.class} ${percent(each.probabilities[classes.indexOf(each.class)] ?? 0)}`;
  return labelNames(classes.filter((_, i) => isFound(each, classes, i, thresholds)));
}

export function fillWindow(list, each, classes, thresholds) {
  const rows = classes.map((name, i) => ({
    name,
    probability: each.probabilities[i],
    found: isFound(each, classes, i, thresholds),
    threshold: thresholds?.[i],
  }));
  fillBars(list, rows, thresholds ? "found" : "");
}

function fillPairs(list, pairs) {
  const kept = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  list.replaceChildren(
    ...kept.flatMap(([name, values]) => [
      element("dt", { text: name }),
      ...[values].flat().map((value) => element("dd", { text: String(value) })),
    ]),
  );
}

export function showPrepared(list, prepared = {}) {
  const leads = Object.entries(prepared.leads ?? {});
  const pairing = leads.map(([wanted, given]) => (wanted === given ? wanted : `${wanted} from ${given}`)).join(", ");
  const notes = prepared.notes?.length ? prepared.notes : ["nothing had to be changed"];
  fillPairs(list, [
    ["Leads used", pairing],
    ["Resampled", prepared.resampled_from ? `from ${prepared.resampled_from} Hz` : null],
    ["Units read as", prepared.units_from],
    ["Notes", notes],
  ]);
}

/** For each lead of the model, the names under which it is known. */
function leadsOf(input) {
  return (input.leads ?? []).map((names) => [names].flat().join(" or ")).join(", ");
}

function filterOf(filter) {
  if (!filter) return "none";
  return `${filter.low}–${filter.high} Hz band-pass, order ${filter.order}`;
}

function windowOf(input) {
  if (!input.seconds) return null;
  return input.step_seconds ? `${input.seconds} s, a new one each ${input.step_seconds} s` : `${input.seconds} s`;
}

export function showModel(list, model) {
  const input = model.input ?? {};
  fillPairs(list, [
    ["Run", model.run],
    ["Tells apart", model.classes?.join(", ")],
    ["Expects leads", leadsOf(input)],
    ["Rate", input.fs ? `${input.fs} Hz; other rates are resampled` : null],
    ["Window", windowOf(input)],
    ["Filter", filterOf(input.filter)],
    ["Trained on", model.synthetic ? "made-up recordings" : "real recordings"],
    ["Split by", model.split],
    ["Leak", model.leak ?? model.provenance?.leak],
    ["Calibration", model.calibration?.temperature ? `temperature ${model.calibration.temperature}` : null],
    ["Parameters", model.parameters?.toLocaleString("en")],
    ["Version", model.version],
  ]);
}

export function fillError(parts, failure) {
  parts.title.textContent = failure.title ?? "Something went wrong";
  parts.reason.textContent = failure.message;
  parts.leads.replaceChildren(
    ...Object.entries(failure.leads ?? {}).map(([lead, reason]) =>
      element("li", { children: [element("strong", { text: lead }), `: ${reason}`] }),
    ),
  );
  parts.leads.hidden = !parts.leads.childElementCount;
  parts.expected.textContent = failure.expected ? `Expected: ${failure.expected}` : "";
  parts.expected.hidden = !failure.expected;
}
