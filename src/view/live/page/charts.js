// Charts as SVG. A chart is as wide as its place, so that letters keep their size.

const escapeText = (text) => String(text ?? "").replace(/[&<>"]/g, (letter) =>
  ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[letter]);

// A number with few digits, in a fixed width of the eye.
function short(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e6 || size < 1e-3)) return value.toExponential(1);
  if (size >= 1000) return Math.round(value).toLocaleString("en-GB");
  return String(+value.toPrecision(3));
}

// Round values between low and high, about as many as count.
function ticks(low, high, count) {
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= raw * 0.7);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9) * step; at <= high + step * 1e-9; at += step) {
    found.push(Math.abs(at) < step * 1e-9 ? 0 : at);
  }
  return found;
}

// Powers of ten between low and high; between few of them also 2 and 5 times these.
function logTicks(low, high) {
  const found = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
    for (const times of Math.log10(high / low) < 2 ? [1, 2, 5] : [1]) {
      const at = times * 10 ** power;
      if (at >= low && at <= high) found.push(at);
    }
  }
  return found;
}

// A line chart. Curves are {name, colour, points: [[x, y], …], band: [[x, low, high], …]}; range is [low, high] or
// null to fit the values; the abscissa reaches from 0 to xMost at least.
function lineChart({ width, height = 210, curves, xName, range = null, xMost = 0, log = false, format = short }) {
  const isShown = (y) => y !== null && Number.isFinite(y) && (!log || y > 0);
  const shown = curves.map((curve) => ({ ...curve, points: curve.points.filter(([, y]) => isShown(y)) }));
  const all = shown.flatMap((curve) => curve.points);
  if (all.length === 0) return `<p class="dim small">No values yet.</p>`;
  const xs = all.map(([x]) => x);
  const bands = shown.flatMap((curve) => (curve.band ?? []).flatMap(([, low, high]) => [low, high]));
  const ys = all.map(([, y]) => y).concat(bands.filter(isShown));
  let [left, right] = [Math.min(0, ...xs), Math.max(xMost, ...xs)];
  if (right === left) right = left + 1;
  let [low, high] = range ?? [Math.min(...ys), Math.max(...ys)];
  if (!range && !log) {
    const pad = (high - low || Math.abs(high) || 1) * 0.06;
    [low, high] = [low >= 0 ? Math.max(0, low - pad) : low - pad, high + pad];
  }
  if (log && high <= low * 1.2) [low, high] = [low / 2, high * 2];
  const of = (y) => (log ? Math.log10(y) : y);
  const marks = log ? logTicks(low, high) : ticks(low, high, 4);
  const margin = { left: 8 + 6.5 * Math.max(...marks.map((at) => format(at).length), 2), right: 10, top: 8, bottom: 34 };
  const inner = { width: width - margin.left - margin.right, height: height - margin.top - margin.bottom };
  const px = (x) => margin.left + ((x - left) / (right - left)) * inner.width;
  const py = (y) => {
    const share = (of(y) - of(low)) / (of(high) - of(low));
    return margin.top + (1 - Math.min(1, Math.max(0, share))) * inner.height;
  };
  const at = ([x, y]) => `${px(x).toFixed(1)},${py(y).toFixed(1)}`;
  let svg = "";
  for (const y of marks) {
    svg += `<line class="grid" x1="${margin.left}" x2="${width - margin.right}" y1="${py(y)}" y2="${py(y)}"/>`;
    svg += `<text x="${margin.left - 5}" y="${py(y) + 4}" text-anchor="end">${escapeText(format(y))}</text>`;
  }
  for (const x of ticks(left, right, Math.min(6, inner.width / 60))) {
    svg += `<text x="${px(x)}" y="${height - 19}" text-anchor="middle">${short(x)}</text>`;
  }
  svg += `<text x="${margin.left + inner.width / 2}" y="${height - 4}" text-anchor="middle">${escapeText(xName)}</text>`;
  for (const { colour, points, band = [], faint } of shown) {
    if (band.length > 1) {
      const upper = band.map(([x, , top]) => at([x, top]));
      const lower = band.map(([x, bottom]) => at([x, bottom])).reverse();
      svg += `<polygon class="band" style="fill:var(${colour})" points="${upper.concat(lower).join(" ")}"/>`;
    }
    for (const [x, bottom, top] of band.length === 1 ? band : []) {
      svg += `<line style="stroke:var(${colour});stroke-width:2" x1="${px(x)}" x2="${px(x)}" y1="${py(bottom)}" y2="${py(top)}"/>`;
    }
    const style = `stroke:var(${colour})${faint ? ";stroke-width:1;opacity:.55" : ""}`;
    svg += `<polyline class="curve" style="${style}" points="${points.map(at).join(" ")}"/>`;
    if (!faint && points.length <= 40) {
      for (const point of points) {
        const [x, y] = at(point).split(",");
        svg += `<circle style="fill:var(${colour})" cx="${x}" cy="${y}" r="${points.length > 15 ? 2 : 3}"/>`;
      }
    }
  }
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeText(curves.map((curve) => curve.name).join(", "))}">${svg}</svg>`;
}

// Values of a bank of channels as bars from the nearest value to zero, on the bank's range.
function bankChart({ width, height = 110, bank, colour }) {
  const { values, minimum, maximum, every } = bank;
  const format = (at) => short(at);
  const ends = [maximum, minimum].map(format);
  const margin = { left: 8 + 6.5 * Math.max(...ends.map((end) => end.length)), right: 6, top: 8, bottom: 20 };
  const inner = { width: width - margin.left - margin.right, height: height - margin.top - margin.bottom };
  const zero = Math.min(maximum, Math.max(minimum, 0));
  const py = (y) => margin.top + (1 - (Math.min(maximum, Math.max(minimum, y)) - minimum) / (maximum - minimum)) * inner.height;
  const slot = inner.width / Math.max(values.length, 1);
  const gap = slot > 5 ? 1.5 : 0;
  let svg = [maximum, minimum].map((y, place) =>
    `<line class="grid" x1="${margin.left}" x2="${width - margin.right}" y1="${py(y)}" y2="${py(y)}"/>` +
    `<text x="${margin.left - 5}" y="${py(y) + 4}" text-anchor="end">${escapeText(ends[place])}</text>`).join("");
  values.forEach((value, place) => {
    const [top, bottom] = [Math.min(py(value), py(zero)), Math.max(py(value), py(zero))];
    svg += `<rect style="fill:var(${colour})" x="${(margin.left + place * slot + gap / 2).toFixed(1)}" y="${top.toFixed(1)}" ` +
      `width="${Math.max(slot - gap, 0.6).toFixed(1)}" height="${Math.max(bottom - top, 1).toFixed(1)}"/>`;
  });
  const count = bank.channels === 1 ? "1 channel" : `${bank.channels} channels`;
  const some = every > 1 ? `, every ${every}th shown` : "";
  svg += `<text x="${margin.left}" y="${height - 5}">${escapeText(count + some)}</text>`;
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeText(bank.name)}">${svg}</svg>`;
}
