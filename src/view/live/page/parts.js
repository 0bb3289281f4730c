// Parts of the page as HTML, from what the server tells about a run.

const STATES = {
  running: "running", stopping: "stopping", complete: "complete", stopped: "stopped, can be resumed",
  calibrated: "calibrated", ended: "not running",
};
const COLOURS = ["--one", "--two", "--three", "--four"];

const last = (list) => (list ?? [])[(list ?? []).length - 1];
const percent = (share) => (share === null || share === undefined ? "–" : `${(100 * share).toFixed(1)} %`);
const whole = (number) => (number ?? 0).toLocaleString("en-GB");

function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  if (seconds < 5400) return `${Math.ceil(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}

function share(part, all) {
  const amount = all ? (100 * part) / all : 0;
  if (amount > 0 && amount < 0.01) return "below 0.01 %";
  return `${amount.toFixed(amount < 1 && amount > 0 ? 2 : 1)} %`;
}

// The score of an epoch in words, and how it is drawn.
function scoreOf(epoch) {
  if (!epoch) return null;
  if (epoch.test_accuracy !== undefined) return { name: "accuracy", text: percent(epoch.test_accuracy) };
  if (epoch.test_r2 !== undefined) return { name: "R²", text: epoch.test_r2 === null ? "–" : epoch.test_r2.toFixed(3) };
  return null;
}

const isActive = (run) => run.state === "running" || run.state === "stopping";
// A piece of work before or after the steps; its bar is shown in the place of the steps'.
const workOf = (run) => (isActive(run) && run.live?.work) || null;

function progress(run) {
  const live = run.live;
  const work = workOf(run);
  if (run.state === "complete" || run.state === "calibrated") return 1;
  if (work) return work.total ? Math.min(1, work.done / work.total) : 0;
  return live?.steps ? live.done / live.steps : 0;
}

const barOf = (run) =>
  `<div class="bar" role="progressbar" aria-valuenow="${Math.round(100 * progress(run))}" aria-valuemin="0" aria-valuemax="100"><i style="width:${(100 * progress(run)).toFixed(1)}%"></i></div>`;

function shortName(run, runs) {
  const parts = (name) => name.split(/[\\/]/);
  const own = parts(run.name);
  const isTwice = runs.some((other) => other !== run && last(parts(other.name)) === last(own));
  return own.slice(isTwice ? -2 : -1).join("/");
}

function card(run, runs, isChosen) {
  const score = scoreOf(last(run.epochs));
  const loss = last(run.live?.loss)?.[1] ?? last(run.epochs)?.train_loss;
  const words = [
    score && `${score.name} ${score.text}`,
    loss !== undefined && `loss ${short(loss)}`,
    isActive(run) && run.live?.seconds_left != null && `${duration(run.live.seconds_left)} left`,
  ].filter(Boolean);
  return `<button type="button" data-run="${run.id}" aria-current="${isChosen}">
    <span class="name"><span>${escapeText(shortName(run, runs))}</span></span>
    <span class="state ${run.state}">${STATES[run.state]}</span>
    ${barOf(run)}<span class="small dim">${escapeText(words.join(" · ") || " ")}</span></button>`;
}

const fact = (name, value, isWide) =>
  value === null || value === undefined || value === "" ? "" :
  `<div${isWide ? ' class="wide"' : ""}><dt>${escapeText(name)}</dt><dd>${escapeText(value)}</dd></div>`;

// Where the run is, in a sentence.
function whereabouts(run) {
  const { live } = run;
  const work = workOf(run);
  if (work) {
    const count = work.total ? `: ${whole(Math.min(work.done, work.total))} of ${whole(work.total)}` : " …";
    return `${work.label}${count}${work.message ? `, ${work.message}` : ""}`;
  }
  if (!live?.steps) return isActive(run) ? "preparing …" : "";
  const epoch = Math.min(live.epochs, Math.floor((live.done * live.epochs) / live.steps) + 1);
  const steps = `step ${whole(live.done)} of ${whole(live.steps)}`;
  if (!isActive(run)) return steps;
  if (live.phase === "finishing") return `${steps}; reference readings and the report follow`;
  return `epoch ${whole(epoch)} of ${whole(live.epochs)}, ${steps}`;
}

function heading(run) {
  const facts = [run.recipe && `recipe ${run.recipe}`, run.began && `began ${run.began}`].filter(Boolean).join(" · ");
  let words = "";
  if (run.state === "stopping") words = "It stops after the present step, with a checkpoint; a calibration is finished first.";
  if (run.outcome && !run.resume) words = run.outcome;
  const resume = run.resume
    ? `<p class="small">${run.outcome ? `${escapeText(run.outcome)}<br>` : ""}${
        run.checkpoint === null ? "It has no checkpoint and starts again with" : `Checkpoint after step ${whole(run.checkpoint)}. Resume it with`
      } <code>${escapeText(run.resume)}</code></p>` : "";
  return `<div><h2>${escapeText(run.name)}</h2>
    <p><span class="state ${run.state}">${STATES[run.state]}</span> <span class="dim small">${escapeText(facts)}</span></p>
    ${words ? `<p class="small">${escapeText(words)}</p>` : ""}${resume}</div>`;
}

function summaryFacts(run) {
  const { live, epochs, twins } = run;
  const end = last(epochs);
  const score = scoreOf(end);
  const devices = live?.devices ?? [];
  const sum = (of) => devices.reduce((total, device) => total + of(device), 0);
  const rate = sum((device) => device.shots_per_second);
  const cosine = end?.twins?.length ? Math.min(...end.twins.map((twin) => twin.gradient_cosine.value)) :
    twins?.length ? Math.min(...twins.map((twin) => twin.cosine?.value ?? NaN)) : null;
  const took = run.summary?.seconds;
  return `<dl class="facts">
    ${isActive(run) ? fact("Time left", live?.phase === "training" ? duration(live.seconds_left) : "–") : fact("Took", took && duration(took))}
    ${fact("Training loss", short(last(live?.loss)?.[1] ?? end?.train_loss))}
    ${score ? fact(`Test ${score.name} on the device`, score.text) : ""}
    ${fact("Gradient cosine of the twin", cosine === null ? null : short(cosine))}
    ${fact("Shots", devices.length ? whole(sum((device) => device.counts.shots)) : run.summary && whole(run.summary.device_shots))}
    ${isActive(run) && devices.length ? fact("Shots a second", short(rate)) : ""}
    ${devices.length ? fact("Values clamped", share(sum((device) => device.counts.clamped), sum((device) => device.counts.values))) : ""}
  </dl>`;
}

// The gradient cosines of a device's twin: as calibrated (before the first epoch), then as refined.
function fidelityCurves(run) {
  const curves = new Map();
  const add = (device, epoch, estimate) => {
    if (estimate?.value === null || estimate?.value === undefined) return;
    const curve = curves.get(device) ?? { name: device, points: [], band: [] };
    curve.points.push([epoch, estimate.value]);
    curve.band.push([epoch, estimate.low, estimate.high]);
    curves.set(device, curve);
  };
  const refined = run.live?.twins_at_start?.length ? run.live.twins_at_start : null;
  for (const twin of refined ?? []) add(twin.device, 0, twin.gradient_cosine);
  for (const twin of run.twins ?? []) if (!refined?.some((one) => one.device === twin.device)) add(twin.device, 0, twin.cosine);
  for (const epoch of run.epochs) for (const twin of epoch.twins ?? []) add(twin.device, epoch.epoch, twin.gradient_cosine);
  return [...curves.values()].map((curve, place) => ({ ...curve, colour: COLOURS[place % COLOURS.length] }));
}

// Width of a column where as many of `count` columns are side by side as are at least `least` pixels wide.
function columnWidth(wide, least, gap, count) {
  const columns = Math.max(1, Math.min(count, Math.floor((wide + gap) / (least + gap))));
  return Math.floor((wide + gap) / columns) - gap;
}

function legend(curves) {
  if (curves.length === 0) return "";
  return `<ul class="legend">${curves.map(({ name, colour, faint }) =>
    `<li${faint ? ' class="faint"' : ""} style="--colour:var(${colour})">${escapeText(name)}</li>`).join("")}</ul>`;
}

function curvesOf(run, wide, isLog) {
  const { epochs, live } = run;
  const perEpoch = live?.steps ? live.steps / live.epochs : 1;
  const xMost = (live?.done ?? 0) / perEpoch;
  const of = (key, scale = 1) => epochs.filter((epoch) => epoch[key] !== undefined && epoch[key] !== null)
    .map((epoch) => [epoch.epoch, scale * epoch[key]]);
  const losses = [
    { name: "training, by step", colour: "--one", faint: true, points: (live?.loss ?? []).map(([step, loss]) => [step / perEpoch, loss]) },
    { name: "training", colour: "--one", points: of("train_loss") },
    { name: "test on the device", colour: "--two", points: of("test_loss") },
  ].filter((curve) => curve.points.length);
  const isValues = epochs.some((epoch) => epoch.test_r2 !== undefined);
  const scores = isValues
    ? [{ name: "test on the device", colour: "--two", points: of("test_r2") }]
    : [{ name: "training", colour: "--one", points: of("train_accuracy", 100) },
       { name: "test on the device", colour: "--two", points: of("test_accuracy", 100) }];
  const fidelity = fidelityCurves(run);
  // As wide as a column of the style `.charts`, without its border.
  const width = columnWidth(wide, 352, 16, fidelity.length ? 3 : 2) - 24;
  const chart = (title, curves, options, more = "") =>
    `<div><h3><span>${title}</span>${more}</h3>${legend(curves)}${lineChart({ width, xName: "epoch", xMost, curves, ...options })}</div>`;
  const box = `<label><input type="checkbox" id="log"${isLog ? " checked" : ""}> log scale</label>`;
  return `<section class="charts">
    ${chart("Loss", losses, { log: isLog }, box)}
    ${chart(isValues ? "R²" : "Accuracy (%)", scores.filter((curve) => curve.points.length), isValues ? {} : { range: [0, 100] })}
    ${fidelity.length ? chart("Gradient fidelity: cosine of the twin", fidelity, { range: [Math.min(0, ...fidelity.flatMap((curve) => curve.band.map(([, low]) => low ?? 0))), 1] }) : ""}
  </section>`;
}

// What is known about the drift of a device: recalibrations of its twin, or how to check it.
function driftOf(run, name) {
  const done = run.recalibrations?.[name];
  if (done) {
    const times = done.times === 1 ? "once" : `${whole(done.times)} times`;
    return `the twin was recalibrated ${times}, with ${whole(done.shots)} shots; last after epoch ${whole(done.last)}`;
  }
  const checked = run.epochs.filter((epoch) => (epoch.twins ?? []).some((twin) => twin.device === name));
  if (checked.length) return "the twin follows the device; no recalibration was needed";
  return "not checked in this training";
}

function device(run, one, wide) {
  const twin = (run.twins ?? []).find((twin) => twin.device === one.name);
  const { shot, counts } = one;
  // As wide as a column of the style `.shots`.
  const count = (shot?.drives.length ?? 0) + (shot?.readings.length ?? 0);
  const width = columnWidth(wide - 24, 320, 13, count);
  const shown = (title, banks, colour) => (banks ?? []).map((bank) =>
    `<div><h3>${title}: ${escapeText(bank.name)}${bank.unit && bank.unit !== "1" ? ` <span class="dim">(${escapeText(bank.unit)})</span>` : ""}</h3>${bankChart({ width, bank, colour })}</div>`).join("");
  const missing = one.is_in_tensors
    ? "Its shots are computed in tensors by the backend, and are not shown one by one." : "No shot has been seen yet.";
  return `<div class="device"><h3>${escapeText(one.name)} <span class="dim">${escapeText([one.model, one.kind].filter(Boolean).join(", "))}</span></h3>
    <dl class="facts">
      ${fact("Shots", whole(counts.shots))}
      ${isActive(run) ? fact("Shots a second", short(one.shots_per_second)) : ""}
      ${fact("Values clamped", `${share(counts.clamped, counts.values)} (${whole(counts.clamped)})`)}
      ${fact("Twin", twin?.words, true)}
      ${fact("Drift", driftOf(run, one.name), true)}
    </dl>
    ${shot ? `<div class="shots">${shown("Drives", shot.drives, "--one")}${shown("Readings", shot.readings, "--two")}</div>` : `<p class="dim small">${missing}</p>`}</div>`;
}

function link(run, one) {
  const { counts } = one;
  return `<div class="device"><h3>${escapeText(one.target)}</h3><dl class="facts">
    ${fact("Shots", whole(one.shots))}${fact("Retries", whole(counts.retried))}${fact("Restarts", whole(counts.restarts))}
    ${fact("Reconnects", whole(counts.reconnects))}${fact("Late answers", whole(counts.timeouts))}
    ${fact("State", one.failure ?? (one.troubles ? `works; ${one.troubles}` : "works"), true)}</dl></div>`;
}

function devices(run, wide) {
  const { live } = run;
  if (!live?.devices?.length) return "";
  const links = live.links.length ? `<section><h2>Links to real devices</h2>${live.links.map((one) => link(run, one)).join("")}</section>` : "";
  return `<section><h2>Devices and their last shots</h2>${live.devices.map((one) => device(run, one, wide)).join("")}</section>${links}`;
}

function warnings(run) {
  const all = run.live?.warnings ?? [];
  if (all.length === 0) return "";
  return `<div class="warnings"><b>Warnings</b><ul>${all.map((line) => `<li>${escapeText(line)}</li>`).join("")}</ul></div>`;
}
