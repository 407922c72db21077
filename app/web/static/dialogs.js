// The two dialogs: a new secret, and a question before something that cannot be undone.

const showSecretProgram = programs($("secret-program"));

function showSecret(token) {
  const field = $("secret-token");
  field.value = token;
  showSecretProgram(token, $("text").value);
  useToken(token);
  $("secret").showModal();
  $("secret-copy").focus();
}

$("secret-copy").addEventListener("click", () => copy($("secret-token").value, $("secret-copy"), $("secret-token")));
// It is shown once: nothing of it stays in the page but what is filled in above.
$("secret").addEventListener("close", () => {
  $("secret-token").value = "";
  showSecretProgram("", "");
});

// Resolves when the dialog is closed, whether `act` was done or not; a refusal is said in it.
function confirmed(title, text, yes, act) {
  const dialog = $("confirm"), button = $("confirm-yes");
  $("confirm-title").textContent = title;
  $("confirm-text").textContent = text;
  $("confirm-error").textContent = "";
  button.textContent = yes;
  button.onclick = () => once(button, $("confirm-error"), async () => {
    await act();
    dialog.close();
  });
  dialog.showModal();
  $("confirm-no").focus();
  return new Promise((resolve) => { dialog.addEventListener("close", resolve, { once: true }); });
}

$("confirm-no").addEventListener("click", () => $("confirm").close());
