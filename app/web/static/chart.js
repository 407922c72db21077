// The latest round trips, drawn as they happen: a line up from the ground for each, the newest on the right.

const MOST_TRIPS = 60;
const trips = []; // { ms, way }, ms null for one that failed
const LEFT = 44, BOTTOM = 8, TOP = 12, RIGHT = 8;

function shape(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// The smallest of 1, 2, 5, 10, 20, ... that is not below the value.
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 0.1)));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value);
}

function addTrip(trip) {
  trips.push(trip);
  if (trips.length > MOST_TRIPS) trips.shift();
  drawChart();
}

function drawChart() {
  const chart = $("chart");
  const { width, height } = chart.getBoundingClientRect();
  if (!width) return;
  const times = trips.filter((trip) => trip.ms !== null).map((trip) => trip.ms).sort((a, b) => a - b);
  const highest = roundUp((times.at(-1) ?? 1) * 1.05);
  const y = (ms) => height - BOTTOM - (ms / highest) * (height - BOTTOM - TOP);
  const x = (index) => width - RIGHT - (trips.length - 1 - index) * ((width - LEFT - RIGHT) / (MOST_TRIPS - 1));
  chart.setAttribute("viewBox", `0 0 ${width} ${height}`);
  chart.replaceChildren();
  for (const share of [0, 0.5, 1]) {
    const at = y(highest * share);
    chart.append(shape("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: at, y2: at }));
    const label = shape("text", { x: LEFT - 8, y: at + 4, "text-anchor": "end" });
    label.textContent = share ? `${highest * share}${share === 1 ? " ms" : ""}` : "0";
    chart.append(label);
  }
  trips.forEach(({ ms, way }, index) => {
    const at = x(index), top = ms === null ? TOP : y(ms), kind = ms === null ? "failed" : way;
    chart.append(shape("line", { class: `trip ${kind}`, x1: at, x2: at, y1: y(0), y2: top }));
    chart.append(shape("circle", { class: `trip ${kind}`, cx: at, cy: top, r: 3 }));
  });
  summarise(times);
}

function summarise(times) {
  const failed = trips.length - times.length;
  const parts = [];
  if (times.length) {
    const median = milliseconds(times[Math.floor((times.length - 1) / 2)]);
    parts.push(fill(TEXTS.chartSummary, { count: times.length, median, slowest: milliseconds(times.at(-1)) }));
  }
  if (failed) parts.push(fill(TEXTS.chartFailures, { count: failed }));
  const text = parts.join(", ");
  $("chart-summary").textContent = text;
  $("chart").setAttribute("aria-label", text || TEXTS.chartEmpty);
}

new ResizeObserver(drawChart).observe($("chart"));
