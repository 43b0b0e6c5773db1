const specs = JSON.parse(document.getElementById("specs").textContent);
const config = { font: "system-ui, sans-serif", axis: { labelFontSize: 11, titleFontSize: 11, titleFontWeight: "normal", gridColor: "#e6e9ef" }, view: { stroke: null } };

async function draw(place, spec) {
  await vegaEmbed(place, { config, ...spec }, { actions: false, renderer: "svg", mode: "vega-lite" });
}

function drawOnce(figure) {
  if (figure.dataset.drawn) return;
  figure.dataset.drawn = "yes";
  const place = document.createElement("div");
  figure.append(place);
  draw(place, specs[figure.dataset.chart]).catch((error) => { place.textContent = `This figure could not be drawn: ${error.message}`; });
}

// A chart is drawn when it is about to be looked at; what lies in a closed part of the page is not looked at.
const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) drawOnce(entry.target);
}, { rootMargin: "600px" });
for (const figure of document.querySelectorAll(".chart")) watcher.observe(figure);
addEventListener("beforeprint", () => document.querySelectorAll("article > .chart").forEach(drawOnce));

// An enlarged chart is moved by dragging and zoomed by the wheel: its plain axes follow the pointer.
function zoomable(spec) {
  const whole = structuredClone(spec);
  const unit = whole.layer ? whole.layer.at(-1) : whole;
  const axes = ["x", "y"].filter((name) => unit.encoding[name]?.type === "quantitative");
  if (axes.length) unit.params = [{ name: "zoom", select: { type: "interval", encodings: axes }, bind: "scales" }];
  if (typeof whole.height === "number") whole.height = Math.max(320, innerHeight * 0.72);
  return whole;
}

const large = document.getElementById("large");
const inside = large.querySelector("div");
document.addEventListener("click", (event) => {
  const figure = event.target.closest("figure");
  if (!figure || large.contains(figure)) return;
  inside.replaceChildren();
  large.showModal();
  if (figure.dataset.chart) {
    const caption = document.createElement("figcaption");
    caption.textContent = figure.querySelector("figcaption").textContent;
    const place = document.createElement("div");
    place.style.width = "100%";
    inside.append(caption, place);
    draw(place, zoomable(specs[figure.dataset.chart]));
  } else {
    inside.append(figure.querySelector("img").cloneNode());
  }
});
large.querySelector("button").addEventListener("click", () => large.close());

// Numbers before words, empty cells last, whichever way a column is sorted.
function key(row, column) {
  const cell = row.cells[column];
  const text = (cell.dataset.order ?? cell.textContent).trim().replaceAll(",", "");
  const number = Number.parseFloat(text.replace(/^</, ""));
  return text === "" ? null : Number.isNaN(number) ? text : number;
}

function compare(one, other) {
  if (typeof one === typeof other) return typeof one === "number" ? one - other : one.localeCompare(other);
  return typeof one === "number" ? -1 : 1;
}

for (const table of document.querySelectorAll(".sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    heading.tabIndex = 0;
    const sort = () => {
      const way = heading.ariaSort === "descending" ? 1 : -1;
      headings.forEach((other) => { other.ariaSort = other === heading ? (way < 0 ? "descending" : "ascending") : null; });
      const rows = [...table.tBodies[0].rows].map((row) => [key(row, column), row]);
      rows.sort(([one], [other]) => (one === null) - (other === null) || (one === null ? 0 : way * compare(one, other)));
      table.tBodies[0].append(...rows.map(([, row]) => row));
    };
    heading.addEventListener("click", sort);
    heading.addEventListener("keydown", (event) => { if (event.key === "Enter") sort(); });
  });
}

// A link to a run opens it.
function open() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target?.tagName === "DETAILS") target.open = true;
}
addEventListener("hashchange", open);
open();
