// One element: measured behind, forecast and band ahead, the limit over it, the shares between them.
import { at, colour, keep, layout, steps, times } from "./chart.js";

const place = document.querySelector("[data-element-chart]");
const readout = document.getElementById("readout");

function traces(data, x) {
  const series = colour("series");
  const drawn = [
    steps("lower", x, data.lower, { width: 0 }, { showlegend: false }),
    steps("band", x, data.upper, { width: 0 }, { fill: "tonexty", fillcolor: colour("band"), legendgroup: "band" }),
  ];
  const stack = [...data.upper];
  data.shares.forEach((share, i) => {
    share.given.forEach((w, q) => {
      if (w !== null && stack[q] !== null) stack[q] += w;
      else stack[q] = null;
    });
    drawn.push(steps(share.name, x, [...stack], { width: 0 }, { fill: "tonexty", fillcolor: colour(i % 2 ? "share-2" : "share-1") }));
  });
  drawn.push(
    steps("forecast", x, data.median, { width: 1.25, dash: "dot", color: series }),
    steps("upper bound", x, data.upper, { width: 1.5, color: series }),
    steps("other", x, data.load, { width: 1, color: colour("muted") }, { visible: "legendonly" }),
    steps("measured", x, data.measured, { width: 1.75, color: colour("ink") }),
    steps("flexible", x, data.used.map((w, q) => (x[q] < at(data, data.now) ? w : null)), { width: 1.25, color: colour("ok") }),
    steps("headroom", x, data.headroom, { width: 1, color: colour("tight") }, { visible: "legendonly" }),
    steps("limit", x, data.limit, { width: 2.5, dash: "10px,4px", color: colour("limit") }),
  );
  return drawn;
}

function draw(data) {
  const x = times(data, data.limit.length);
  draw.data = { ...data, x };
  return { traces: traces(data, x), look: layout(data, x) };
}

keep(place, draw);
const wait = setInterval(() => {
  if (place.dataset.drawn !== "yes") return;
  clearInterval(wait);
  place.on("plotly_hover", (event) => {
    const i = draw.data.x.indexOf(String(event.points[0].x).slice(0, 16));
    if (i < 0) return;
    const clock = draw.data.x[i].slice(11);
    const measured = draw.data.measured[i];
    const sum = draw.data.why[i] ?? "nothing was decided";
    readout.textContent = `${clock}: ${measured === null ? "" : `measured ${measured.toFixed(1)} kW; `}${sum}`;
  });
}, 100);
