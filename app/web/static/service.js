// How the service is doing: asked every few seconds, while somebody looks.

const ASK_SECONDS = 5;

function showHealth(state, text) {
  $("health").dataset.state = state;
  $("health-text").textContent = text;
  $("service-state").textContent = { ready: TEXTS.ready, waiting: TEXTS.notReady, away: TEXTS.noAnswer }[state];
}

function shown(value) {
  return value === null ? TEXTS.noRequests : milliseconds(value);
}

async function askHealth() {
  let status;
  try {
    status = await ask("GET", "/console/status");
  } catch (error) {
    said(error);
    showHealth("away", TEXTS.noAnswer);
    return null;
  }
  const median = status.latency.p50_ms;
  if (!status.ready) showHealth("waiting", status.detail);
  else showHealth("ready", median === null ? TEXTS.ready : fill(TEXTS.healthy, { median: milliseconds(median) }));
  $("service-median").textContent = shown(median);
  $("service-slowest").textContent = shown(status.latency.p99_ms);
  $("service-environment").textContent = status.environment;
  $("service-version").textContent = status.version;
  return status;
}

setInterval(() => { if (!document.hidden) askHealth(); }, 1000 * ASK_SECONDS);
document.addEventListener("visibilitychange", () => { if (!document.hidden) askHealth(); });
$("insecure").hidden = isSecureContext;
