// The room: send a string by HTTP or WebSocket, once or again and again, and show what comes back.

const MOST_ANSWERS = 3;
const API_TOKEN = /^echo_[0-9A-Za-z]{38}$/;
const socket = new Socket();
const showProgram = programs($("program"));

function apiToken() {
  const token = $("token").value.trim();
  if (token === "") throw new Refused(401, TEXTS.tokenMissing);
  // A wrong one might not even fit into a header.
  if (!API_TOKEN.test(token)) throw new Refused(401, TEXTS.wrongToken);
  return token;
}

function useToken(token) {
  $("token").value = token;
  $("say-error").textContent = "";
}

async function echoOnce() {
  const text = $("text").value, token = apiToken();
  const way = document.querySelector("input[name=way]:checked").value;
  if (way === "socket" && socket.line?.readyState !== WebSocket.OPEN) await socket.open(token);
  await drawn();
  const started = performance.now();
  try {
    const back = way === "http"
      ? (await ask("POST", "/echo", { body: { str: text }, token })).str
      : await socket.send(text, token);
    const ms = performance.now() - started;
    addTrip({ ms, way });
    showAnswer(back, text, way, ms);
  } catch (error) {
    addTrip({ ms: null, way });
    throw error;
  }
  // Not waited for: the next message may be sent meanwhile.
  introduce(token).catch((error) => { $("say-error").textContent = said(error); });
}

function showAnswer(back, sent, way, ms) {
  const same = back === sent;
  const verdict = [way === "http" ? TEXTS.http : TEXTS.webSocket, milliseconds(ms), same ? TEXTS.same : TEXTS.different];
  const place = $("answers");
  place.querySelector(".empty")?.remove();
  place.prepend(element(
    "div", { class: same ? "answer" : "answer wrong" },
    element("p", { class: "back" }, back === "" ? TEXTS.emptyString : back),
    element("p", { class: "hint" }, verdict.join(" · ")),
  ));
  while (place.children.length > MOST_ANSWERS) place.lastChild.remove();
}

onSubmit($("say"), echoOnce);

// Goes on through failures, because that is when one wants to watch; only what cannot get better ends it.
$("keep").addEventListener("change", async () => {
  const keep = $("keep"), error = $("say-error");
  $("answers").setAttribute("aria-live", keep.checked ? "off" : "polite");
  while (keep.checked) {
    let pause = 1000;
    try {
      await echoOnce();
      error.textContent = "";
    } catch (problem) {
      error.textContent = said(problem);
      if (problem.status === 401 || problem.status === 403) keep.checked = false;
      pause = Math.max(pause, 1000 * (problem.retryAfter ?? 0));
    }
    await sleep(pause);
  }
  $("answers").setAttribute("aria-live", "polite");
});

const refreshProgram = () => showProgram("$TOKEN", $("text").value);
$("text").addEventListener("input", refreshProgram);
refreshProgram();
