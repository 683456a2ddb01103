// What the charts have in common: times, colours from the style sheet, the axis, drawing anew on changes.
const style = () => getComputedStyle(document.documentElement);
const probe = document.createElement("span");
const PAPER_WIDTH = 680; // of A4 between its margins
let onPaper = false;

export function colour(name) {
  document.body.append(probe);
  probe.setAttribute("hidden", "");
  probe.style.colorScheme = onPaper ? "light" : "";
  probe.style.color = `var(--${name})`;
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

// Local wall-clock times, as the axis shows them: a date string without a zone.
export function times(data, count) {
  const format = new Intl.DateTimeFormat("sv-SE", {
    timeZone: data.zone, year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit",
  });
  return Array.from({ length: count }, (_, i) => format.format(new Date((data.first + i * data.step) * 1000)));
}

export function at(data, seconds) {
  return times({ ...data, first: seconds }, 1)[0];
}

export function layout(data, x, shapes = []) {
  const rule = colour("rule");
  const font = { family: style().fontFamily, size: 12, color: colour("muted") };
  const axis = { gridcolor: rule, zeroline: false, linecolor: rule, tickfont: font, fixedrange: false };
  return {
    font, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", margin: { l: 52, r: 12, t: 8, b: 34 },
    hovermode: "x", showlegend: false, uirevision: "kept", hoverdistance: -1,
    hoverlabel: { font: { size: 12 } },
    xaxis: { ...axis, type: "date", range: [x[Math.max(0, Math.floor(x.length * 0.42))], x.at(-1)], tickformat: "%H:%M\n%a %d %b",
      showspikes: true, spikemode: "across", spikethickness: 1, spikecolor: colour("muted"), spikedash: "solid" },
    yaxis: { ...axis, title: { text: "kW", font }, zeroline: true, zerolinecolor: colour("muted"), fixedrange: true },
    shapes: [
      { type: "line", x0: at(data, data.now), x1: at(data, data.now), y0: 0, y1: 1, yref: "paper", line: { color: colour("muted"), width: 1 } },
      ...shapes,
    ],
  };
}

export const steps = (name, x, y, line, more = {}) => ({
  name, x, y, type: "scatter", mode: "lines", line: { shape: "hv", ...line }, hoverinfo: "none", connectgaps: false, ...more,
});

const SVG = "http://www.w3.org/2000/svg";

function element(name, attributes, space) {
  const made = space ? document.createElementNS(space, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function swatch({ line, fill, fillcolor, marker }) {
  const picture = element("svg", { width: 26, height: 10, "aria-hidden": "true" }, SVG);
  const area = fill ? element("rect", { width: 26, height: 10, fill: fillcolor }, SVG) : "";
  const dash = { dot: "2 3" }[line?.dash] ?? (line?.dash ?? "").replaceAll("px", "");
  const stroke = element("path", { d: "M0 5H26", stroke: line?.color ?? "none", "stroke-width": line?.width ?? 0, "stroke-dasharray": dash }, SVG);
  const mark = marker ? element("path", { d: "M13 0l5 5-5 5-5-5z", fill: marker.color }, SVG) : "";
  picture.append(area, stroke, mark);
  return picture;
}

// A box to tick for each layer, above the chart; `changed` is called when one is ticked.
function layers(place, changed) {
  const box = element("fieldset", { class: "toggles" });
  const title = element("legend", { class: "unseen" });
  title.textContent = "Layers of the chart";
  const hidden = new Map();
  let shown = "";
  place.before(box);
  return (traces) => {
    const named = traces.filter((t) => t.showlegend !== false);
    for (const t of named) {
      if (!hidden.has(t.name)) hidden.set(t.name, t.visible === "legendonly");
      t.visible = !hidden.get(t.name);
    }
    const looks = JSON.stringify(named.map((t) => [t.name, t.line?.color, t.fillcolor]));
    if (looks === shown) return;
    shown = looks;
    box.replaceChildren(title, ...named.map((t) => {
      const label = document.createElement("label");
      const tick = element("input", { type: "checkbox" });
      tick.checked = !hidden.get(t.name);
      tick.addEventListener("change", () => {
        hidden.set(t.name, !tick.checked);
        changed();
      });
      label.append(tick, swatch(t), t.name);
      return label;
    }));
  };
}

// Draws what an address gives, again when the page was refreshed, the theme changed or it goes to paper.
export function keep(place, draw) {
  const address = place.dataset.elementChart ?? place.dataset.groupChart;
  const pick = layers(place, () => show());
  let last = "";
  const show = async () => {
    const { traces, look } = draw(JSON.parse(last));
    pick(traces);
    const size = onPaper ? { width: PAPER_WIDTH, autosize: false } : { autosize: true };
    await Plotly.react(place, traces, { ...look, ...size }, { displayModeBar: false, responsive: true, scrollZoom: false });
    place.dataset.drawn = "yes";
  };
  const load = async (force) => {
    const answer = await fetch(address, { headers: { accept: "application/json" } });
    if (!answer.ok) return;
    const text = await answer.text();
    if (text === last && !force) return;
    last = text;
    await show();
  };
  const print = (is) => {
    onPaper = is;
    if (last) show();
  };
  load(true);
  document.addEventListener("ampacity:refreshed", () => load(false));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => load(true));
  matchMedia("print").addEventListener("change", (event) => print(event.matches));
  addEventListener("beforeprint", () => print(true)); // in time for the layout, which the other is not everywhere
  addEventListener("afterprint", () => print(false));
}
