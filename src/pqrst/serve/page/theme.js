const STORED = "pqrst-theme";
const CANVAS_COLOURS = [
  "paper", "paper-minor", "paper-major", "trace", "surface", "ink", "muted", "line", "accent", "attention",
  "attention-ink", "overview", "class-0", "class-1", "class-2", "class-3", "class-4", "class-5",
];

const dark = matchMedia("(prefers-color-scheme: dark)");

function stored() {
  try {
    return localStorage.getItem(STORED);
  } catch {
    return null;
  }
}

function keep(theme) {
  try {
    localStorage.setItem(STORED, theme);
  } catch {
    // A browser that forbids storage still gets the theme until the page is left.
  }
}

export function currentTheme() {
  return document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light");
}

/** Custom properties written with light-dark() are only resolved once a real property takes them. */
export function canvasColours() {
  const probe = document.createElement("span");
  document.body.append(probe);
  const colours = {};
  for (const name of CANVAS_COLOURS) {
    probe.style.color = `var(--${name})`;
    colours[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  return colours;
}

export function startTheme(button, onChange) {
  const apply = () => {
    button.setAttribute("aria-pressed", String(currentTheme() === "dark"));
    onChange();
  };
  const earlier = stored();
  if (earlier === "dark" || earlier === "light") document.documentElement.dataset.theme = earlier;
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = currentTheme() === "dark" ? "light" : "dark";
    keep(currentTheme());
    apply();
  });
  dark.addEventListener("change", apply);
  apply();
}
