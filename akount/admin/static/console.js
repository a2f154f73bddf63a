// The console without this file is whole; with it, a page keeps itself fresh and says how fresh it is.
const every = Number(document.body.dataset.poll) * 1000;
const live = document.querySelector(".live");
const state = document.getElementById("live-state");
const toggle = document.getElementById("live-switch");
let tag = null, wait = every, failed = null, stopped = false, timer = 0, asking = false;

const units = [[86400, "d"], [3600, "h"], [60, "min"]];
function coarse(s) { for (const [n, u] of units) if (s >= n) return Math.floor(s / n) + " " + u; return Math.floor(s) + " s"; }
function fine(s) {
  if (s < 60) return Math.floor(s) + " s";
  const i = units.findIndex(([n]) => s >= n), [n, u] = units[i], [m, v] = units[i + 1] || [1, "s"], rest = Math.floor(s % n / m);
  return Math.floor(s / n) + " " + u + (rest ? " " + rest + " " + v : "");
}
const skew = (() => { const c = document.querySelector("[data-clock]"); return c ? Date.parse(c.dateTime) - Date.now() : 0; })();
function tellTimes() {
  const at = Date.now() + skew;
  for (const t of document.querySelectorAll("time[data-ago],time[data-since],time[data-clock]")) {
    const s = (at - Date.parse(t.dateTime)) / 1000;
    const text = "clock" in t.dataset ? new Date(at).toISOString().slice(0, 19).replace("T", " ") + " UTC"
      : "since" in t.dataset ? fine(Math.max(0, s)) : Math.abs(s) < 1 ? "now" : s > 0 ? coarse(s) + " ago" : "in " + coarse(-s);
    if (t.textContent !== text) t.textContent = text;
    if (t.title && !t.dataset.local) { t.dataset.local = 1; t.title += " · here " + new Date(t.dateTime).toLocaleString(); }
  }
}

function busy() {
  if (stopped) return "Paused";
  if (document.hidden) return "Paused: tab hidden";
  const chosen = document.querySelectorAll("[data-live] input:checked, [data-live-rows] input:checked").length;
  if (chosen) return "Paused: " + chosen + (chosen === 1 ? " row selected" : " rows selected");
  const at = document.activeElement;
  if (at && at.matches("main input:not([type=checkbox]), main select, main textarea")) return "Paused: you are writing";
  if (document.querySelector("[data-live] details[open], .top details[open]")) return "Paused: something is open";
  const said = getSelection();
  return said && !said.isCollapsed && document.querySelector("main")?.contains(said.anchorNode) ? "Paused: text selected" : "";
}
function tell() {
  if (!live) return;
  const why = busy();
  live.classList.toggle("paused", !!why);
  live.classList.toggle("stale", !!failed && !why);
  state.textContent = why || (failed ? "Stale since " + failed : "Live, " + every / 1000 + " s");
  toggle.textContent = stopped ? "Go on" : "Pause";
}

function putRows(old, fresh) {
  const known = new Map([...old.rows].map(r => [r.dataset.key, r]));
  let more = 0;
  for (const row of fresh.rows) {
    const mine = known.get(row.dataset.key);
    if (!mine) more++;
    else if (mine.innerHTML !== row.innerHTML) mine.replaceChildren(...row.childNodes);
  }
  const notice = document.getElementById("newer");
  if (notice && more) { notice.hidden = false; notice.firstElementChild.textContent = more + " newer · show"; }
}
function put(text) {
  const fresh = new DOMParser().parseFromString(text, "text/html");
  for (const old of document.querySelectorAll("[data-live],[data-live-rows]")) {
    const now = fresh.getElementById(old.id);
    if (!now) continue;
    if ("liveRows" in old.dataset) putRows(old, now);
    else if (!old.contains(document.activeElement)) old.replaceChildren(...now.childNodes);
    else {
      const at = [...old.querySelectorAll("a,button,summary,[tabindex]")].indexOf(document.activeElement);
      old.replaceChildren(...now.childNodes);
      old.querySelectorAll("a,button,summary,[tabindex]")[at]?.focus({ preventScroll: true });
    }
  }
  show();
  tellTimes();
}
function age(at) {
  const told = document.querySelector("#numbers time");
  if (told && at) { told.dateTime = told.title = at; delete told.dataset.local; tellTimes(); }
}
async function ask() {
  clearTimeout(timer);
  if (!asking && !busy()) {
    asking = true;
    try {
      const url = new URL(location.href);
      url.searchParams.set("fragment", "1");
      const answer = await fetch(url, { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store", redirect: "error" });
      if (answer.status === 200) { const text = await answer.text(); if (!busy()) { tag = answer.headers.get("ETag"); put(text); } }
      else if (answer.status !== 304) throw answer.status;
      age(answer.headers.get("X-Numbers-At"));
      failed = null; wait = every;
    } catch {
      failed ||= new Date().toTimeString().slice(0, 8);
      wait = Math.min(wait * 2, 60000);
    }
    asking = false;
  }
  tell();
  timer = setTimeout(ask, wait);
}

// rows that are chosen, with shift for all between
let last = null;
function boxes() { return [...document.querySelectorAll("[data-live-rows] input[type=checkbox]")]; }
function count() {
  const bar = document.querySelector(".selected [data-count]");
  if (!bar) return;
  const chosen = boxes().filter(b => b.checked).length, all = document.getElementById("all");
  bar.textContent = chosen + " chosen:";
  for (const one of document.querySelectorAll(".selected button")) one.disabled = !chosen;
  if (all) { all.checked = chosen > 0 && chosen === boxes().length; all.indeterminate = chosen > 0 && !all.checked; }
  tell();
}
addEventListener("click", event => {
  const box = event.target;
  if (box.matches?.("[data-live-rows] input[type=checkbox]")) {
    const list = boxes();
    if (event.shiftKey && last && list.includes(last)) {
      const [a, b] = [list.indexOf(last), list.indexOf(box)].sort((x, y) => x - y);
      for (const one of list.slice(a, b + 1)) one.checked = box.checked;
    }
    last = box;
    count();
  } else if (box.id === "all") { for (const one of boxes()) one.checked = box.checked; count(); }
  const copy = box.closest?.("[data-copy]");
  if (copy) navigator.clipboard?.writeText(copy.dataset.copy).then(() => { copy.classList.add("copied"); setTimeout(() => copy.classList.remove("copied"), 1200); });
  for (const open of document.querySelectorAll(".top details[open]")) if (!open.contains(box)) open.open = false;
});
addEventListener("keydown", event => { if (event.key === "Escape") for (const open of document.querySelectorAll(".top details[open]")) { open.open = false; open.firstElementChild.focus(); } });
// a form is sent once
addEventListener("submit", event => {
  if (event.target.dataset.sent) event.preventDefault();
  else if (event.target.method === "post") { event.target.dataset.sent = 1; setTimeout(() => delete event.target.dataset.sent, 8000); }
});
function show() {
  for (const one of document.querySelectorAll("[data-copy][hidden],[data-script][hidden]")) one.hidden = false;
}
{
  const head = document.querySelector("thead th:first-child");
  if (head && boxes().length) {
    const all = Object.assign(document.createElement("input"), { type: "checkbox", id: "all", ariaLabel: "Choose all on this page" });
    head.append(all);
  }
}
show();
tellTimes();
setInterval(tellTimes, 1000);
count();
if (every && live) {
  live.hidden = false;
  toggle.addEventListener("click", () => { stopped = !stopped; tell(); if (!stopped) ask(); });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) { wait = every; ask(); } else tell(); });
  setInterval(tell, 1000);
  timer = setTimeout(ask, every);
  tell();
}
