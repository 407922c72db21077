// Sign up, log in, log out; and the start of the page.

let policy = "closed";

function showAccount(view, { note = "", focus = true } = {}) {
  for (const id of ["log-in", "sign-up", "logged-in"]) $(id).hidden = id !== view;
  $("to-account").hidden = view === "logged-in";
  $("quick-token").hidden = view !== "logged-in";
  $("account-note").textContent = note;
  for (const error of document.querySelectorAll(".card .error")) error.textContent = "";
  if (focus) (document.querySelector(`#${view} input`) ?? $("account-title")).focus();
}

async function showLoggedIn(found, options) {
  $("who").textContent = fill(TEXTS.loggedInAs, found);
  $("session-ends").textContent = fill(TEXTS.sessionEnds, { time: clock(found.expires_at) });
  showAccount("logged-in", options);
  await listTokens();
}

// Does what needs a session, and goes back to the log-in when there is none any more.
async function session(act) {
  try {
    const value = await act();
    const found = await ask("GET", "/console/session");
    if (found.account !== null) $("session-ends").textContent = fill(TEXTS.sessionEnds, { time: clock(found.expires_at) });
    return value;
  } catch (error) {
    if (error.status === 401) {
      $("confirm").close();
      showAccount("log-in", { note: TEXTS.sessionEnded });
    }
    throw error;
  }
}

async function logIn(name, password) {
  const found = await ask("POST", "/console/session", { body: { name, password } });
  for (const id of ["log-in", "sign-up"]) $(id).reset();
  await showLoggedIn(found);
}

onSubmit($("log-in"), ({ name, password }) => logIn(name, password));

onSubmit($("sign-up"), async ({ name, password, invitation }) => {
  const body = { name, password, ...(policy === "invite" && invitation ? { invitation: invitation.trim() } : {}) };
  await ask("POST", "/accounts", { body });
  await logIn(name, password);
});

$("to-sign-up").addEventListener("click", () => showAccount("sign-up"));
$("to-log-in").addEventListener("click", () => showAccount("log-in"));

$("log-out").addEventListener("click", async () => {
  try {
    await ask("DELETE", "/console/session");
    showAccount("log-in", { note: TEXTS.loggedOut });
  } catch (error) {
    $("account-note").textContent = said(error);
  }
});

function usePolicy(status) {
  policy = status?.sign_up ?? "closed";
  $("invitation-field").hidden = policy !== "invite";
  $("to-sign-up").hidden = policy === "closed";
}

async function start() {
  usePolicy(await askHealth());
  try {
    const found = await ask("GET", "/console/session");
    if (found.account !== null) await showLoggedIn(found, { focus: false });
    else showAccount("log-in", { focus: false, note: policy === "closed" ? TEXTS.closed : "" });
  } catch (error) {
    showAccount("log-in", { focus: false, note: said(error) });
  }
}

start();
