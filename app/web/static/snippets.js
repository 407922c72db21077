// The same echo from a program: ready to paste, in three languages.

const SNIPPETS = {
  curl: (url, token, text) =>
    `curl -H "Authorization: Bearer ${token}" \\\n` +
    `  -H "Content-Type: application/json" \\\n` +
    `  -d '${JSON.stringify({ str: text }).replaceAll("'", "'\\''")}' ${url}/echo`,

  Python: (url, token, text) => `import requests

answer = requests.post(
    "${url}/echo",
    json={"str": ${JSON.stringify(text)}},
    headers={"Authorization": "Bearer ${token}"},
    timeout=10,
)
answer.raise_for_status()
print(answer.json()["str"])`,

  JavaScript: (url, token, text) => `const answer = await fetch("${url}/echo", {
  method: "POST",
  headers: {
    "Authorization": "Bearer ${token}",
    "Content-Type": "application/json",
  },
  body: JSON.stringify({ str: ${JSON.stringify(text)} }),
});
if (!answer.ok) throw new Error((await answer.json()).detail);
console.log((await answer.json()).str);`,
};

// Shows them in `place`; returns a function that shows them for another token or text.
function programs(place) {
  let language = "curl", given = ["", ""];
  const code = element("code"), block = element("pre", { tabindex: "0", "aria-label": TEXTS.asProgram }, code);
  const button = element("button", { type: "button", "aria-label": TEXTS.copySnippet }, TEXTS.copy);
  button.addEventListener("click", () => copy(code.textContent, button, code));
  const show = () => { code.textContent = SNIPPETS[language](location.origin, ...given); };
  const choice = element("fieldset", { class: "choice" }, element("legend", { class: "quiet" }, TEXTS.language));
  for (const name of Object.keys(SNIPPETS)) {
    const input = element("input", { type: "radio", name: `${place.id}-language`, value: name });
    input.checked = name === language;
    input.addEventListener("change", () => { language = name; show(); });
    choice.append(element("label", {}, input, name));
  }
  place.append(element("div", { class: "choose" }, choice, button), block);
  return (token, text) => { given = [token, text]; show(); };
}
