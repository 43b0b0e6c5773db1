import { RequestFailure } from "./requests.js";

const WITHOUT_HEADER = new Set(["dat", "mat", "csv", "npy", "h5", "hdf5"]);
const MAY_SAY = new Set(["mat", "h5", "hdf5"]); // what else they hold may say all of it

function endingOf(file) {
  return file.name.includes(".") ? file.name.split(".").pop().toLowerCase() : "";
}

function hasEnding(files, ...endings) {
  return files.some((file) => endings.includes(endingOf(file)));
}

async function saysItsRate(file) {
  return endingOf(file) === "csv" && /^#.*\bfs\s*=/.test(await file.slice(0, 400).text());
}

async function needsForm(files) {
  if (hasEnding(files, "hea")) return false;
  if (files.length !== 1 || !WITHOUT_HEADER.has(endingOf(files[0]))) return false;
  return !(await saysItsRate(files[0]));
}

function checkParts(files) {
  if (hasEnding(files, "hea") && !hasEnding(files, "dat", "mat")) {
    const header = files.find((file) => endingOf(file) === "hea");
    throw new RequestFailure(`${header.name} is only the header of a recording.`, {
      title: "A part is missing",
      expected: "the .hea file and its .dat or .mat file, chosen together",
    });
  }
}

/** What a file without a header cannot say itself: asked for in a form that unfolds. */
class BareForm {
  constructor(form, onReady, hide) {
    this.form = form;
    this.hide = hide;
    this.files = [];
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      onReady({ files: this.files, fields: this.fields() });
      this.close();
    });
    form.elements.units.addEventListener("change", () => this.unfoldConverter());
    form.querySelector("#bare-close").addEventListener("click", () => this.close());
  }

  field(name) {
    return this.form.elements[name];
  }

  unfoldConverter() {
    const isConverter = this.field("units").value === "steps";
    this.form.querySelector("#bare-converter").hidden = !isConverter;
    this.field("gain").required = isConverter;
  }

  open(files) {
    this.files = files;
    const ending = endingOf(files[0]);
    this.form.querySelector("#bare-file").textContent = files[0].name;
    this.form.querySelector("#bare-format-row").hidden = ending !== "dat";
    const maySay = MAY_SAY.has(ending);
    this.field("fs").required = !maySay;
    this.field("leads").required = ending !== "csv" && !maySay;
    this.form.querySelector("#bare-as-said").hidden = !maySay;
    this.field("units").value = maySay ? "" : "mV";
    this.unfoldConverter();
    this.form.hidden = false;
    this.field("fs").focus();
  }

  close() {
    this.hide(this.form);
  }

  fields() {
    const given = { fs: this.field("fs").value, leads: this.field("leads").value.trim() };
    if (this.field("units").value === "steps") {
      given.gain = this.field("gain").value;
      given.zero = this.field("zero").value || "0";
    } else given.units = this.field("units").value;
    if (endingOf(this.files[0]) === "dat") given.format = this.field("format").value;
    return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== ""));
  }
}

function listenToDrops(overlay, take) {
  let depth = 0;
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
  const mark = (change) => {
    depth = Math.max(0, depth + change);
    overlay.hidden = depth === 0;
  };
  addEventListener("dragenter", (event) => { if (carriesFiles(event)) mark(1); });
  addEventListener("dragleave", (event) => { if (carriesFiles(event)) mark(-1); });
  addEventListener("dragover", (event) => { if (carriesFiles(event)) event.preventDefault(); });
  addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    mark(-depth);
    take([...event.dataTransfer.files]);
  });
}

export function startIntake({ choose, input, form, overlay, hide, onRecording, onFailure }) {
  const bare = new BareForm(form, onRecording, hide);
  const take = async (files) => {
    if (!files.length) return;
    try {
      checkParts(files);
      if (await needsForm(files)) bare.open(files);
      else {
        bare.close();
        onRecording({ files, fields: {} });
      }
    } catch (error) {
      onFailure(error);
    }
  };
  choose.addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    take([...input.files]);
    input.value = "";
  });
  listenToDrops(overlay, take);
}
