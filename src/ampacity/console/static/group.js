// One group: what it was told as steps, what it used against it, what it asked for as marks.
import { at, colour, keep, layout, steps, times } from "./chart.js";

const place = document.querySelector("[data-group-chart]");
const NAMES = {
  CONSUMPTION: "consumption", GENERATION: "generation (export, down)", OPTIMUM: "optimum",
  FALLBACK_CONSUMPTION: "fallback consumption", FALLBACK_GENERATION: "fallback generation (down)",
};
const LOOKS = {
  CONSUMPTION: () => ({ width: 2.25, color: colour("limit") }),
  GENERATION: () => ({ width: 2.25, color: colour("limit"), dash: "6px,2px" }),
  OPTIMUM: () => ({ width: 1.5, color: colour("ok") }),
  FALLBACK_CONSUMPTION: () => ({ width: 1.5, color: colour("tight"), dash: "5px,3px" }),
  FALLBACK_GENERATION: () => ({ width: 1.5, color: colour("tight"), dash: "2px,3px" }),
};
const isDown = (kind) => kind.endsWith("GENERATION");

function draw(data) {
  const count = data.used.length;
  const x = times(data, count);
  const drawn = [];
  for (const [kind, line] of Object.entries(data.lines)) {
    const turn = (w) => (w === null || !isDown(kind) ? w : -w);
    drawn.push(steps(NAMES[kind], x, line.held.map(turn), LOOKS[kind](), {
      hoverinfo: "y+name", hovertemplate: "%{y:.2f} kW", visible: kind.startsWith("FALLBACK") ? "legendonly" : true,
    }));
    const told = line.told.map((w, q) => (w !== line.held[q] ? turn(w) : null));
    if (kind === "CONSUMPTION" && told.some((w) => w !== null)) {
      drawn.push(steps("as first told", x, line.told.map(turn), { width: 1, dash: "dot", color: colour("muted") }));
    }
  }
  drawn.push(steps("used", x, data.used, { width: 1.75, color: colour("series") }, { fill: "tozeroy", fillcolor: colour("band"), hovertemplate: "%{y:.2f} kW" }));
  if (data.requests.length) {
    drawn.push({
      name: "requests", type: "scatter", mode: "markers", x: data.requests.map((r) => at(data, r.at)), y: data.requests.map(() => 0),
      text: data.requests.map((r) => r.text), hoverinfo: "text", marker: { symbol: "diamond", size: 10, color: colour("tight") },
    });
  }
  return { traces: drawn, look: layout(data, x) };
}

keep(place, draw);
