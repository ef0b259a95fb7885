// Makes the page quicker; everything works without it. Plain JavaScript, no libraries.
"use strict";
document.documentElement.classList.add("scripted");

const PART = { "X-Aisle-Part": "1" };
const narrow = matchMedia("(max-width: 48rem)");
const say = (text) => { document.getElementById("status").textContent = text; };
const typing = (element) => element.matches("input:not([type=checkbox]), textarea, select, [contenteditable]");

// --- search: results come without loading the page again ---------------------------------------------------

const form = document.getElementById("search");
const results = document.getElementById("results");
let asking = null;
let shown = location.pathname + location.search;

function fit() {
  const filters = results && results.querySelector(".filters");
  if (filters && narrow.matches) filters.open = false;
}

function addressOf() {
  const given = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    if (value && !(name === "mode" && value === "hybrid")) given.append(name, value);
  }
  return given.size ? `/?${given}` : "/";
}

async function show(address, remember) {
  if (asking) asking.abort();
  const own = asking = new AbortController();
  const focused = document.activeElement && results.contains(document.activeElement) ? document.activeElement : null;
  const open = results.querySelector(".filters")?.open;
  results.setAttribute("aria-busy", "true");
  say(results.dataset.loading);
  try {
    const answer = await fetch(address, { headers: PART, signal: own.signal });
    if (answer.redirected && new URL(answer.url).pathname !== "/") { location.assign(address); return; }
    results.innerHTML = await answer.text();
    if (remember && address !== shown) history.pushState(null, "", address);
    shown = address;
    results.querySelector(".filters") && (results.querySelector(".filters").open = narrow.matches ? Boolean(open) : true);
    const count = document.getElementById("count");
    if (count) { document.title = count.textContent; say(count.textContent); }
    if (focused && focused.name) {
      const again = [...results.querySelectorAll("input, select")]
        .find((one) => one.name === focused.name && (one.type !== "checkbox" || one.value === focused.value));
      if (again) {
        const more = again.closest("details:not([open])");
        if (more) more.open = true;
        again.focus();
      }
    } else if (focused) {
      document.getElementById("main").focus();
    }
  } catch (error) {
    if (error.name !== "AbortError") location.assign(address);
  } finally {
    if (asking === own) { asking = null; results.removeAttribute("aria-busy"); }
  }
}

if (form && results) {
  fit();
  form.addEventListener("submit", (event) => { event.preventDefault(); close(); show(addressOf(), true); });
  results.addEventListener("change", (event) => {
    if (event.target.form === form) show(addressOf(), true);
  });
  results.addEventListener("click", (event) => {
    const link = event.target.closest("a.swap");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    show(link.getAttribute("href"), true).then(() => scrollTo(0, 0));
  });
  addEventListener("popstate", () => {
    const here = location.pathname + location.search;
    if (here === shown) return;  // only the place on the page changed
    input.value = new URLSearchParams(location.search).get("q") || "";
    show(here, false);
  });
}

// --- why this result -------------------------------------------------------------------------------------------

function closeReasons(but) {
  const open = [...document.querySelectorAll("details.why[open]")].filter((one) => one !== but);
  for (const one of open) one.open = false;
  return open[0];
}

document.addEventListener("toggle", async (event) => {
  const why = event.target;
  if (!why.matches || !why.matches("details.why") || !why.open) return;
  if (!narrow.matches) closeReasons(why);
  if (why.dataset.read) return;
  why.dataset.read = "1";
  const inside = why.querySelector(".reasons");
  inside.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(why.dataset.from, { headers: PART });
    if (answer.redirected) { location.assign(why.dataset.from); return; }
    inside.innerHTML = await answer.text();
  } catch (error) {
    delete why.dataset.read;  // the link is still there
  } finally {
    inside.removeAttribute("aria-busy");
  }
}, true);

// --- suggestions: a combobox as the ARIA practices describe it ----------------------------------------------------

const box = document.querySelector(".box");
const input = box && box.querySelector("input");
let list = null, chosen = -1, waiting = 0, suggesting = null, typed = "";

function close() {
  clearTimeout(waiting);
  if (suggesting) suggesting.abort();
  if (!list) return;
  list.hidden = true;
  chosen = -1;
  input.setAttribute("aria-expanded", "false");
  input.removeAttribute("aria-activedescendant");
}

function choose(place) {
  const options = [...list.children];
  chosen = place;
  options.forEach((option, i) => option.setAttribute("aria-selected", String(i === place)));
  if (place < 0) { input.value = typed; input.removeAttribute("aria-activedescendant"); return; }
  input.value = options[place].dataset.text;
  input.setAttribute("aria-activedescendant", options[place].id);
  options[place].scrollIntoView({ block: "nearest" });
}

async function suggest() {
  typed = input.value;
  if (suggesting) suggesting.abort();
  if (!typed.trim()) { close(); return; }
  suggesting = new AbortController();
  try {
    const answer = await fetch(`/v1/autocomplete?k=8&q=${encodeURIComponent(typed.slice(0, 200))}`, { signal: suggesting.signal });
    if (!answer.ok) return;
    const said = await answer.json();
    if (input.value !== typed || document.activeElement !== input) return;
    const kinds = JSON.parse(box.dataset.kinds);
    list.replaceChildren(...said.suggestions.map((one, place) => {
      const option = document.createElement("li");
      const kind = document.createElement("span");
      option.id = `option-${place}`;
      option.setAttribute("role", "option");
      option.setAttribute("aria-selected", "false");
      option.dataset.text = one.text;
      option.textContent = one.text;
      kind.textContent = [kinds[one.kind], one.kind === "product" ? "" : one.count].filter(Boolean).join(" · ");
      option.append(kind);
      return option;
    }));
    list.hidden = !said.suggestions.length;
    chosen = -1;
    input.setAttribute("aria-expanded", String(!list.hidden));
    input.removeAttribute("aria-activedescendant");
    if (!list.hidden) say(`${said.suggestions.length} ${box.dataset.count}`);
  } catch (error) {
    if (error.name !== "AbortError") close();
  }
}

if (input) {
  list = document.createElement("ul");
  list.id = "options";
  list.className = "options";
  list.hidden = true;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", box.dataset.suggest);
  box.append(list);
  for (const [name, value] of [["role", "combobox"], ["aria-autocomplete", "list"], ["aria-expanded", "false"], ["aria-controls", "options"]]) {
    input.setAttribute(name, value);
  }
  input.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(suggest, 100); });
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const size = list.children.length;
    if ((event.key === "ArrowDown" || event.key === "ArrowUp") && size && !list.hidden) {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      choose((chosen + 1 + step + size + 1) % (size + 1) - 1);
    } else if (event.key === "ArrowDown" && list.hidden && input.value.trim()) {
      event.preventDefault();
      suggest();
    } else if (event.key === "Escape" && !list.hidden) {
      event.preventDefault();
      input.value = typed;
      close();
    }
  });
  list.addEventListener("mousedown", (event) => {
    const option = event.target.closest("li");
    event.preventDefault();
    if (!option) return;
    input.value = option.dataset.text;
    close();
    form.requestSubmit();
  });
}

// --- judging: a grade by a key, without loading the page again -------------------------------------------------

const judging = document.getElementById("judge");
let sending = false;

async function send(target, button) {
  if (sending) return;
  sending = true;
  judging.setAttribute("aria-busy", "true");
  try {
    const body = new URLSearchParams(new FormData(target, button));
    const answer = await fetch(target.action, { method: "POST", headers: PART, body });
    judging.innerHTML = await answer.text();
    if (answer.ok) history.replaceState(null, "", answer.url);
    const next = judging.querySelector(".asked");
    say(next ? `${next.textContent} ${judging.querySelector(".pair h2").textContent}` : judging.querySelector("h1, h2").textContent);
  } catch (error) {
    target.requestSubmit(button);
  } finally {
    sending = false;
    judging.removeAttribute("aria-busy");
  }
}

if (judging) {
  judging.addEventListener("submit", (event) => {
    if (event.target.method !== "post" || sending) return;
    event.preventDefault();
    send(event.target, event.submitter);
  });
}

// --- keys ----------------------------------------------------------------------------------------------------

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !typing(event.target)) closeReasons()?.querySelector("summary").focus();
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || typing(event.target)) return;
  if (event.key === "/" && input) {
    event.preventDefault();
    input.focus();
    input.select();
  } else if (judging && /^[0-3]$/.test(event.key)) {
    const button = judging.querySelector(`.grading button[value="${event.key}"]`);
    if (button) send(button.form, button);
  } else if (judging && event.key === "u") {
    const button = judging.querySelector(".undo button");
    if (button) send(button.form, button);
  }
});
