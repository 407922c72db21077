// Small helpers. Everything is put into the page as text or as elements, never as markup.

const $ = (id) => document.getElementById(id);

function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== null) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

function milliseconds(value) {
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

function duration(seconds) {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86400)} days`;
}

const DAY = new Intl.DateTimeFormat("en", { dateStyle: "medium" });
const CLOCK = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const day = (text) => DAY.format(new Date(text));
const clock = (text) => CLOCK.format(new Date(text));

async function copy(text, button, field) {
  let done = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // There is no clipboard for pages without TLS; what is selected can still be copied.
    if (field.select) field.select();
    else getSelection().selectAllChildren(field);
    done = document.execCommand("copy");
  }
  const before = button.textContent;
  button.textContent = done ? TEXTS.copied : TEXTS.copyFailed;
  setTimeout(() => { button.textContent = before; }, 2000);
}

const busy = new Set();

// Does what a button is for, once at a time; what is refused is said in `error`, and a 429 waited out on the button.
async function once(button, error, act) {
  if (busy.has(button)) return;
  busy.add(button);
  // Not `disabled`, which would take the focus away; and not at once, since drawing it would delay a quick answer.
  const shows = setTimeout(() => { button.ariaDisabled = "true"; }, 150);
  if (error.textContent) error.textContent = "";
  try {
    await act();
  } catch (problem) {
    error.textContent = said(problem);
    await countDown(button, problem.retryAfter ?? 0);
  } finally {
    clearTimeout(shows);
    button.ariaDisabled = null;
    busy.delete(button);
  }
}

function onSubmit(form, act) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const given = Object.fromEntries(new FormData(form));
    once(form.querySelector("button.primary"), form.querySelector(".error"), () => act(given));
  });
}

async function countDown(button, seconds) {
  const before = button.textContent;
  if (seconds > 0) button.ariaDisabled = "true";
  for (let left = seconds; left > 0; left -= 1) {
    button.textContent = fill(TEXTS.waitSeconds, { seconds: left });
    await sleep(1000);
  }
  button.textContent = before;
}

// Resolves once nothing is left to be drawn, which would be measured along with a round trip; soon in any case,
// because pages that nobody sees are not drawn.
function drawn() {
  return new Promise((wake) => {
    requestAnimationFrame(() => setTimeout(wake));
    setTimeout(wake, 100);
  });
}

function sleep(ms) {
  return new Promise((wake) => { setTimeout(wake, ms); });
}
