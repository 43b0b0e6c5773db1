import { element, fillError, fillWindow, isFound, showDiagnosis, showModel, showPrepared, thresholdsOf, windowLabel, windowTimes } from "./cards.js";
import { listenOnOverview, listenOnPaper, listenOnWindows } from "./gestures.js";
import { startIntake } from "./intake.js";
import { Paper } from "./paper.js";
import { fetchExampleFile, fetchExamples, fetchModel, postRecording, RequestFailure } from "./requests.js";
import { readSignal } from "./signal.js";
import { Overview, WindowStrip } from "./strips.js";
import { canvasColours, startTheme } from "./theme.js";
import { View } from "./view.js";
import { counted, decimal, duration, labelNames } from "./words.js";

const ATTENTION_DELAY = 180;
const SPOKEN_DELAY = 700;
const REST_DELAY = 140;
const LOWEST_PEAK = 1.5; // of the attention scale, in times the mean

const byId = (id) => document.getElementById(id);

const state = { model: null, answer: null, signal: null, recording: null, thresholds: null, chosen: 0, running: null, retry: null };
const attention = { wanted: false, known: new Map(), running: null, timer: 0 };

const view = new View(() => drawMoving());
const paper = new Paper(byId("paper"), view);
const overview = new Overview(byId("overview"), view);
const strip = new WindowStrip(byId("windows"));

let drawRequested = false;
let spokenTimer = 0;
let restTimer = 0;

function requestDraw() {
  if (drawRequested) return;
  drawRequested = true;
  requestAnimationFrame(() => {
    drawRequested = false;
    paper.draw();
    overview.draw();
    tellVisible();
  });
}

function drawMoving() {
  paper.isMoving = true;
  clearTimeout(restTimer);
  restTimer = setTimeout(() => {
    paper.isMoving = false;
    requestDraw();
  }, REST_DELAY);
  requestDraw();
}

function tellVisible() {
  if (!state.answer) return;
  const seconds = `${decimal(view.start)} to ${decimal(view.end)} of ${decimal(view.duration)} s`;
  const places = paper.millimetresPerSecond < 3 ? 1 : 0;
  byId("visible").textContent = seconds;
  byId("speed").textContent = `${decimal(paper.millimetresPerSecond, places)} mm/s, ${paper.gain} mm/mV`;
  const bar = byId("overview");
  bar.setAttribute("aria-valuemax", decimal(Math.max(0, view.duration - view.span)));
  bar.setAttribute("aria-valuenow", decimal(view.start));
  bar.setAttribute("aria-valuetext", seconds);
  clearTimeout(spokenTimer);
  spokenTimer = setTimeout(() => { byId("live").textContent = `Showing ${seconds}`; }, SPOKEN_DELAY);
}

function layOut() {
  const colours = canvasColours();
  for (const part of [paper, overview, strip]) {
    part.colours = colours;
    part.layOut();
  }
  strip.draw();
  requestDraw();
}

function showTrack() {
  const processed = byId("signal-processed").checked ? state.signal?.processed : null;
  const track = processed ?? state.signal?.measured ?? null;
  paper.track = track;
  overview.track = track;
  const names = track?.leads.map((lead) => lead.name).join(", ") ?? "none";
  byId("paper").setAttribute("aria-label", `ECG trace of ${state.answer.record}, leads ${names}. Arrow keys pan, plus and minus zoom, Home and End jump.`);
  byId("legend").textContent = processed ? "As the model saw it: filtered and resampled." : "As measured, each lead centred on its median.";
  layOut();
}

function showAttention() {
  const known = attention.known.get(state.chosen);
  const each = state.answer.windows[state.chosen];
  paper.attention = attention.wanted && known ? { ...known, start: each.start } : null;
  byId("attention").setAttribute("aria-pressed", String(attention.wanted));
  requestDraw();
}

function tellAttention(text) {
  byId("attention-note").textContent = text;
}

function keepAttention(index, answer) {
  const received = answer.attention?.windows.find((each) => each.window === index)?.received;
  if (!received?.length) throw new Error("The model gave no attention for this window.");
  const peak = received.reduce((most, each) => Math.max(most, each), LOWEST_PEAK);
  const highest = received.reduce((most, each) => Math.max(most, each), 0);
  attention.known.set(index, { step: answer.attention.step_seconds, received, peak, highest });
}

async function loadAttention(index) {
  attention.running?.abort();
  attention.running = new AbortController();
  const { signal } = attention.running;
  tellAttention("Asking the model where it looked…");
  try {
    keepAttention(index, await postRecording(state.recording, { attention: index }, { signal }));
    if (index === state.chosen) describeAttention();
  } catch (error) {
    if (error.name === "AbortError") return;
    tellAttention(`No attention: ${error.message}`);
  }
}

function describeAttention() {
  const known = attention.known.get(state.chosen);
  showAttention();
  tellAttention(known ? `Shade, where above the window’s mean (dashed), and height: attention received, ${decimal(known.highest)} times the mean at most.` : "");
}

function followAttention() {
  clearTimeout(attention.timer);
  attention.running?.abort();
  showAttention();
  if (!attention.wanted) tellAttention("");
  else if (attention.known.has(state.chosen)) describeAttention();
  else {
    tellAttention("");
    attention.timer = setTimeout(() => loadAttention(state.chosen), ATTENTION_DELAY);
  }
}

function chooseWindow(index, { reveal = true } = {}) {
  const { answer } = state;
  const each = answer.windows[index];
  if (!each) return;
  state.chosen = index;
  strip.chosen = index;
  paper.chosen = each;
  const title = `Window ${index + 1} of ${answer.windows.length}`;
  const label = windowLabel(each, answer.classes, state.thresholds);
  byId("window-title").textContent = title;
  byId("window-times").textContent = windowTimes(each);
  fillWindow(byId("window-probabilities"), each, answer.classes, state.thresholds);
  byId("window-previous").disabled = index === 0;
  byId("window-next").disabled = index === answer.windows.length - 1;
  byId("windows").setAttribute("aria-valuenow", String(index + 1));
  byId("windows").setAttribute("aria-valuetext", `${title}, ${windowTimes(each)}: ${label}`);
  strip.draw();
  if (reveal) view.reveal(each.start, each.end);
  followAttention();
}

function resetAttention() {
  attention.running?.abort();
  attention.known.clear();
  const isGiven = state.model?.attention !== false;
  attention.wanted = attention.wanted && isGiven;
  byId("attention").hidden = !isGiven;
  paper.hasLane = attention.wanted;
}

function showAnswer(recording, answer) {
  const signal = readSignal(answer.signal);
  Object.assign(state, { recording, answer, signal, thresholds: thresholdsOf(state.model, answer.classes, answer.task) });
  const seconds = Math.max(answer.recording.seconds, signal?.measured.seconds ?? 0);
  const leads = signal ? `${counted(signal.measured.leads.length, "lead")}, ${decimal(signal.measured.fs, 0)} Hz, ` : "";
  byId("empty").hidden = true;
  for (const id of ["trace", "diagnosis", "window", "prepared"]) byId(id).hidden = false;
  byId("record-name").textContent = `Recording ${answer.record}`;
  byId("record-facts").textContent = `${leads}${duration(seconds)}`;
  byId("synthetic").hidden = !(answer.model?.synthetic || state.model?.synthetic);
  byId("signal-processed").disabled = !signal?.processed;
  if (!signal?.processed) byId("signal-measured").checked = true;
  showDiagnosis({ winner: byId("winner"), basis: byId("basis"), probabilities: byId("probabilities") }, answer, state.thresholds);
  showPrepared(byId("prepared-facts"), answer.prepared);
  resetAttention();
  strip.open({
    windows: answer.windows,
    classes: answer.classes,
    duration: seconds,
    isFound: (each, index) => isFound(each, answer.classes, index, state.thresholds),
  });
  byId("windows").setAttribute("aria-valuemax", String(answer.windows.length));
  byId("lanes-note").hidden = !strip.hidesClasses;
  showTrack();
  view.open(seconds);
  chooseWindow(0, { reveal: false });
  byId("announcement").textContent = `Recording ${answer.record} read: ${labelNames(answer.recording.class)}`;
}

function showProgress(text, share) {
  byId("progress").hidden = false;
  byId("progress-text").textContent = text;
  if (share === null) byId("progress-bar").removeAttribute("value");
  else byId("progress-bar").value = share;
}

/** A part that is hidden while it holds the focus would drop it to the top of the page. */
function hide(part) {
  if (part.contains(document.activeElement)) byId("choose").focus();
  part.hidden = true;
}

function hideError() {
  hide(byId("error"));
}

function showFailure(failure, retry = null) {
  const parts = { title: byId("error-title"), reason: byId("error-reason"), leads: byId("error-leads"), expected: byId("error-expected") };
  state.retry = failure.retry ? retry : null;
  fillError(parts, failure);
  byId("error-kept").hidden = !state.answer;
  byId("again").hidden = !state.retry;
  byId("error").hidden = false;
}

/** Runs one upload at a time; what was on the page stays until the new answer is there. */
async function run(task, retry) {
  state.running?.abort();
  const controller = new AbortController();
  state.running = controller;
  hideError();
  byId("main").setAttribute("aria-busy", "true");
  try {
    await task(controller.signal);
  } catch (error) {
    if (error.name === "AbortError") {
      if (state.running === controller) byId("announcement").textContent = "Cancelled";
    } else showFailure(error, retry);
  } finally {
    if (state.running === controller) {
      state.running = null;
      hide(byId("progress"));
      byId("main").removeAttribute("aria-busy");
    }
  }
}

/** A file that the server would refuse need not be sent first. */
function checkSize(files) {
  const most = state.model?.limits?.megabytes;
  const megabytes = files.reduce((sum, file) => sum + file.size, 0) / 1e6;
  if (!most || megabytes <= most) return;
  throw new RequestFailure(`The recording has ${decimal(megabytes)} MB; the server takes ${most} MB.`, { title: "The file is too large" });
}

async function predict(recording, signal) {
  checkSize(recording.files);
  const name = recording.files.map((file) => file.name).join(", ");
  showProgress(`Sending ${name}`, 0);
  const onProgress = (share) => {
    if (share === 1) showProgress(`The model reads ${name}`, null);
    else showProgress(`Sending ${name}`, share);
  };
  const answer = await postRecording(recording, { signal: true }, { signal, onProgress });
  if (!signal.aborted) showAnswer(recording, answer);
}

function readRecording(recording) {
  run((signal) => predict(recording, signal), () => readRecording(recording));
}

function readExample(name) {
  const task = async (signal) => {
    showProgress(`Fetching ${name}`, null);
    await predict({ files: [await fetchExampleFile(name, signal)], fields: {} }, signal);
  };
  run(task, () => readExample(name));
}

function exampleButton({ name, title, leads = [], seconds }) {
  const facts = [leads.length > 3 ? counted(leads.length, "lead") : leads.join(", "), duration(seconds)].filter(Boolean).join(", ");
  const button = element("button", { className: "example", children: [element("span", { text: title ?? name }), element("small", { text: facts })] });
  button.type = "button";
  button.dataset.example = name;
  button.addEventListener("click", () => readExample(name));
  return element("li", { children: [button] });
}

async function loadServerFacts() {
  hideError();
  try {
    const [model, examples] = await Promise.all([fetchModel(), fetchExamples()]);
    state.model = model;
    byId("model-name").textContent = model.run ?? "";
    byId("synthetic").hidden = !model.synthetic;
    showModel(byId("model-facts"), model);
    byId("examples").replaceChildren(...examples.map(exampleButton));
    byId("examples-part").hidden = !examples.length;
  } catch (error) {
    showFailure(error, loadServerFacts);
  }
}

function cancel() {
  state.running?.abort();
}

function listen() {
  byId("cancel").addEventListener("click", cancel);
  addEventListener("keydown", (event) => { if (event.key === "Escape") cancel(); });
  byId("error-close").addEventListener("click", hideError);
  byId("again").addEventListener("click", () => state.retry?.());
  byId("zoom-in").addEventListener("click", () => view.zoom(1 / 1.6));
  byId("zoom-out").addEventListener("click", () => view.zoom(1.6));
  byId("paper-speed").addEventListener("click", () => view.toPaperSpeed());
  byId("whole").addEventListener("click", () => view.toWhole());
  byId("gain").addEventListener("change", (event) => {
    paper.gain = Number(event.target.value);
    layOut();
  });
  for (const id of ["signal-measured", "signal-processed"]) byId(id).addEventListener("change", showTrack);
  byId("attention").addEventListener("click", () => {
    attention.wanted = !attention.wanted;
    paper.hasLane = attention.wanted;
    layOut();
    followAttention();
  });
  byId("window-previous").addEventListener("click", () => chooseWindow(state.chosen - 1));
  byId("window-next").addEventListener("click", () => chooseWindow(state.chosen + 1));
  listenOnPaper(byId("paper"), paper, view, (second) => chooseWindow(strip.windowAt(second), { reveal: false }));
  listenOnOverview(byId("overview"), overview, view);
  listenOnWindows(byId("windows"), strip, chooseWindow);
  new ResizeObserver(layOut).observe(byId("trace"));
}

startIntake({
  choose: byId("choose"),
  input: byId("files"),
  form: byId("bare"),
  overlay: byId("drop"),
  hide,
  onRecording: readRecording,
  onFailure: (failure) => showFailure(failure),
});
startTheme(byId("theme"), layOut);
listen();
loadServerFacts();
