// The account's tokens: listed, made, rotated, revoked.

const STATES = ["active", "rotated", "expired", "revoked"];

async function listTokens() {
  const { tokens } = await session(() => ask("GET", "/tokens"));
  // Those that work first, the newest first among equals.
  const place = (token) => STATES.indexOf(stateOf(token));
  const rows = tokens.toReversed().sort((one, other) => place(one) - place(other)).map(tokenRow);
  $("tokens").replaceChildren(...rows);
  $("tokens").hidden = rows.length === 0;
  $("tokens-empty").hidden = rows.length > 0;
}

function stateOf(token) {
  if (token.revoked_at !== null) return "revoked";
  if (token.expires_at !== null && new Date(token.expires_at) <= new Date()) return "expired";
  return token.rotated_to === null ? "active" : "rotated";
}

function ending(token, state) {
  if (state === "revoked") return fill(TEXTS.ended, { time: day(token.revoked_at) });
  if (token.expires_at === null) return TEXTS.neverEnds;
  const time = state === "rotated" ? clock(token.expires_at) : day(token.expires_at);
  return fill(state === "expired" ? TEXTS.ended : TEXTS.ends, { time });
}

function tokenRow(token) {
  const state = stateOf(token), over = state === "revoked" || state === "expired";
  const facts = [
    ending(token, state),
    token.last_used_on === null ? TEXTS.neverUsed : fill(TEXTS.lastUsed, { time: day(token.last_used_on) }),
  ];
  const name = { name: token.name };
  const row = element(
    "li", { class: over ? "over" : "" },
    element("p", { class: "token-name" }, token.name, " ", element("span", { class: `chip ${state}` }, TEXTS[state])),
  );
  const buttons = element("div", { class: "actions" });
  row.append(buttons, element("p", { class: "hint" }, facts.join(" · ")));
  if (over) return row;
  if (state === "active") {
    buttons.append(element("button", {
      type: "button", "aria-label": fill(TEXTS.rotateNamed, name),
      onclick: () => rotate(token),
    }, TEXTS.rotate));
  }
  buttons.append(element("button", {
    type: "button", "aria-label": fill(TEXTS.revokeNamed, name),
    onclick: () => revoke(token),
  }, TEXTS.revoke));
  return row;
}

async function rotate(token) {
  let made = null;
  await confirmed(fill(TEXTS.rotateTitle, token), TEXTS.rotateText, TEXTS.rotate, async () => {
    made = await session(() => ask("POST", `/tokens/${token.id}/rotate`));
    await listTokens();
  });
  if (made) showSecret(made.token);
}

async function revoke(token) {
  await confirmed(fill(TEXTS.revokeTitle, token), TEXTS.revokeText, TEXTS.revoke, async () => {
    await session(() => ask("DELETE", `/tokens/${token.id}`));
    await listTokens();
  });
}

$("quick-token").addEventListener("click", () => once($("quick-token"), $("say-error"), async () => {
  const body = { name: TEXTS.tokenQuickName, expires_in_days: 1 };
  useToken((await session(() => ask("POST", "/tokens", { body }))).token);
  await listTokens();
  $("text").focus();
}));

onSubmit($("make-token"), async ({ name, days }) => {
  const body = { name, expires_in_days: days === "" ? null : Number(days) };
  const made = await session(() => ask("POST", "/tokens", { body }));
  $("make-token").reset();
  await listTokens();
  showSecret(made.token);
});
