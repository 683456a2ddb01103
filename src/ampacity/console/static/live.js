// Keeps what is on the page as new as the server: a stream tells that something changed, the page is fetched
// again, and the parts that differ are put in place.  Without the stream it is fetched now and then.
const banner = document.getElementById("stream");
const QUIET_S = 40;
const POLL_S = 30;
let waitS = 1;
let heardAt = Date.now();
let lost = null;
let source = null;
let pending = null;
let fetching = false;

const clock = (moment) => moment.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });

function show(text, stale) {
  const where = document.getElementById("stream") ?? banner;
  if (where && where.textContent !== text) where.textContent = text;
  where?.classList.toggle("stale", stale);
}

function heard() {
  heardAt = Date.now();
  lost = null;
  waitS = 1;
  show("live", false);
}

function gone() {
  lost ??= new Date(heardAt);
  show(`not live since ${clock(lost)}, trying again`, true);
}

// Somebody is typing there, or has typed something that is not sent yet.
function isBusy(part) {
  const at = document.activeElement;
  if (part.contains(at) && at.matches("input, select, textarea")) return true;
  const fields = [...part.querySelectorAll("input:not([type=hidden]), textarea")];
  return fields.some((e) => e.value !== e.defaultValue || e.checked !== e.defaultChecked);
}

// What is open and what has the focus, found again in what replaces it.
const opened = (part) => [...part.querySelectorAll("details[open]")].map((e) => e.id);
function marked(e) {
  if (e.matches("a[href]")) return `a[href="${CSS.escape(e.getAttribute("href"))}"]`;
  if (e.matches("summary")) return `#${CSS.escape(e.parentElement.id)} > summary`;
  if (e.matches("button")) return `button[name="${e.name}"][value="${CSS.escape(e.value)}"]`;
  return e.id ? `#${CSS.escape(e.id)}` : null;
}

function put(fresh) {
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = fresh.getElementById(part.id);
    if (!other || isBusy(part) || other.innerHTML === part.dataset.was) continue;
    part.dataset.was = other.innerHTML;
    const scroller = part.matches(".scroll") ? part : part.querySelector(".scroll");
    const [top, left] = [scroller?.scrollTop, scroller?.scrollLeft];
    const focused = part.contains(document.activeElement) ? document.activeElement : null;
    const mark = focused ? marked(focused) : null;
    const open = opened(part);
    part.replaceChildren(...document.importNode(other, true).childNodes);
    const again = part.matches(".scroll") ? part : part.querySelector(".scroll");
    if (again && scroller) [again.scrollTop, again.scrollLeft] = [top, left];
    for (const id of open) part.querySelector(`#${CSS.escape(id)}`)?.setAttribute("open", "");
    if (mark) part.querySelector(mark)?.focus({ preventScroll: true });
  }
}

async function refresh() {
  if (fetching) return plan();
  fetching = true;
  try {
    const here = new URL(location.href);
    here.searchParams.delete("replay"); // that was asked for once
    const answer = await fetch(here, { headers: { accept: "text/html" }, redirect: "manual" });
    if (answer.type === "opaqueredirect") location.reload();
    if (answer.ok) {
      put(new DOMParser().parseFromString(await answer.text(), "text/html"));
      show(lost ? `not live since ${clock(lost)}, trying again` : "live", Boolean(lost));
      document.dispatchEvent(new CustomEvent("ampacity:refreshed"));
    }
  } catch {
    gone();
  } finally {
    fetching = false;
  }
}

function plan() {
  clearTimeout(pending);
  pending = setTimeout(refresh, 150);
}

function listen() {
  source = new EventSource("/console/live");
  source.addEventListener("beat", heard);
  source.addEventListener("changed", () => {
    heard();
    plan();
  });
  source.addEventListener("error", () => {
    source.close();
    source = null;
    gone();
    setTimeout(listen, waitS * 1000);
    waitS = Math.min(waitS * 2, 30);
  });
}

if (document.querySelector("[data-live]")) {
  listen();
  setInterval(() => {
    if (Date.now() - heardAt > QUIET_S * 1000) {
      gone();
      if (source) {
        source.close();
        listen();
      }
    }
  }, 5000);
  setInterval(refresh, POLL_S * 1000);
  addEventListener("pagehide", () => source?.close());
}
