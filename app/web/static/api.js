// Requests to the service, and what can become of them.

class Refused extends Error {
  constructor(status, message, retryAfter = 0) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

class Away extends Error {}

// What to tell people about an error; one of our own making is a fault of this page, and shows on the console.
function said(error) {
  if (!(error instanceof Refused || error instanceof Away)) throw error;
  return error.message;
}

// With `token` as a program would, without the session's cookie; otherwise as the console. Resolves to the JSON.
async function ask(method, path, { body, token } = {}) {
  const headers = token === undefined ? { "X-Echo-Console": "1" } : { Authorization: `Bearer ${token}` };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer, text;
  try {
    answer = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: token === undefined ? "same-origin" : "omit",
      cache: "no-store",
      signal: AbortSignal.timeout(20000),
    });
    text = await answer.text();
  } catch {
    throw new Away(navigator.onLine ? TEXTS.away : TEXTS.offline);
  }
  let value = null;
  try {
    value = text === "" ? null : JSON.parse(text);
  } catch {
    // Told below: a page of a proxy's own, as a rule.
  }
  if (answer.ok && (value !== null || text === "")) return value;
  if (typeof value?.detail === "string") {
    throw new Refused(answer.status, value.detail, Number(answer.headers.get("Retry-After") ?? 0));
  }
  const strange = answer.status === 403 ? TEXTS.refusedInFront : TEXTS.notUnderstood;
  throw new Refused(answer.status, fill(strange, { status: answer.status }));
}
