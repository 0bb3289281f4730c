// The page: what the server sends is kept in `runs`; what the reader chose is in the address, so that it is there again
// after a reload.

const runs = new Map();
let order = [];
let folders = null;
// The run whose Stop button was pressed once, and the server's last answer about a run.
let asking = null;
const answers = new Map();

const place = (id) => document.getElementById(id);
const chosen = () => new URLSearchParams(location.hash.slice(1));

function choose(changes) {
  const all = chosen();
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) all.delete(name); else all.set(name, value);
  }
  history.replaceState(null, "", `${location.pathname}#${all}`);
  draw();
}

// The chosen run; else one that is running, else the last.
function shownRun() {
  const all = order.map((id) => runs.get(id)).filter(Boolean);
  return runs.get(chosen().get("run")) ?? all.find(isActive) ?? last(all);
}

// Writes HTML only where it has changed, so that a selection and the focus stay.
function write(element, html) {
  if (element.written === html) return;
  const focus = element.contains(document.activeElement) ? document.activeElement : null;
  const key = focus && (focus.id ? `#${focus.id}` : focus.dataset.run && `[data-run="${focus.dataset.run}"]`);
  element.innerHTML = html;
  element.written = html;
  if (key) element.querySelector(key)?.focus();
}

function stopPart(run) {
  const answer = answers.get(run.id);
  if (run.state !== "running") return "";
  if (answer) return `<p class="small">${escapeText(answer)}</p>`;
  if (asking !== run.id) return `<button type="button" id="stop">Stop</button>`;
  return `<p>Stop after the present step and save a checkpoint? The run can be resumed.</p>
    <button type="button" id="stop-now">Stop the training</button> <button type="button" class="plain" id="go-on">Let it run</button>`;
}

function draw() {
  const all = order.map((id) => runs.get(id)).filter(Boolean);
  const run = shownRun();
  document.querySelector("h1").textContent = all.length === 1 ? "Run" : "Runs";
  write(place("runs"), all.length > 1 ? all.map((one) => card(one, all, one === run)).join("") : "");
  if (!run) {
    place("run").innerHTML = folders === null ? "" : `<p class="dim">No run in ${escapeText(folders)} yet. It appears here as soon as it begins.</p>`;
    return;
  }
  document.title = `${isActive(run) ? `${Math.floor(100 * progress(run))} % ` : ""}${shortName(run, all)} – twinprop`;
  if (!place("top")) {
    place("run").innerHTML = `<section><div class="head"><div id="top"></div><div id="stop-place" class="stop"></div></div>
      <div id="facts"></div></section><div id="charts"></div><div id="devices"></div>`;
  }
  write(place("top"), heading(run));
  write(place("stop-place"), stopPart(run));
  write(place("facts"), `${barOf(run)}<p class="small dim">${escapeText(whereabouts(run))}</p>${summaryFacts(run)}${warnings(run)}`);
  const wide = place("run").clientWidth;
  write(place("charts"), curvesOf(run, wide, chosen().has("log")));
  write(place("devices"), devices(run, wide));
}

async function stop(run) {
  asking = null;
  answers.set(run.id, "asking …");
  draw();
  try {
    const answer = await fetch(`stop?run=${run.id}`, { method: "POST", headers: { "X-Twinprop": "stop" } });
    answers.set(run.id, (await answer.text()).trim());
  } catch {
    answers.set(run.id, "The server does not answer.");
  }
  draw();
  setTimeout(() => { answers.delete(run.id); draw(); }, 8000);
}

document.addEventListener("click", (event) => {
  const card = event.target.closest("[data-run]");
  if (card) { asking = null; choose({ run: card.dataset.run }); }
  const button = event.target.closest("button")?.id;
  if (button === "stop") { asking = shownRun().id; draw(); place("stop-now").focus(); }
  if (button === "go-on") { asking = null; draw(); }
  if (button === "stop-now") stop(shownRun());
});
document.addEventListener("change", (event) => {
  if (event.target.id === "log") choose({ log: event.target.checked ? "1" : null });
});
addEventListener("resize", draw);
addEventListener("hashchange", draw);

// The token is in a cookie now, and need not stay in the address.
if (location.search) history.replaceState(null, "", location.pathname + location.hash);

const connection = place("link");
let heard = 0;
function listen() {
  const events = new EventSource("events");
  const hear = () => { heard = Date.now(); connection.textContent = "live"; connection.className = ""; };
  events.onmessage = (event) => {
    hear();
    const message = JSON.parse(event.data);
    order = message.order;
    for (const run of message.runs) runs.set(run.id, run);
    draw();
  };
  events.addEventListener("folders", (event) => { hear(); folders = JSON.parse(event.data); });
  events.addEventListener("alive", hear);
  events.onerror = () => {
    connection.textContent = "no connection to twinprop watch; trying again …";
    connection.className = "lost";
    // A refused connection is not tried again by the browser.
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 3000);
  };
}
// A connection that is silent for long is lost, also where the browser does not notice.
setInterval(() => {
  if (heard && Date.now() - heard > 30000) { connection.textContent = "no news for 30 s"; connection.className = "lost"; }
}, 5000);
draw();
listen();
