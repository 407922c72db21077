// Which tasks have answered: asked with /whoami after each echo.

const tasks = new Map();

async function introduce(token) {
  const task = await ask("GET", "/whoami", { token });
  const key = task.task ?? "";
  tasks.set(key, { ...task, answers: (tasks.get(key)?.answers ?? 0) + 1 });
  $("tasks-empty").hidden = true;
  $("tasks").hidden = false;
  $("tasks-rows").replaceChildren(...[...tasks.values()].map(taskRow));
}

function taskRow(task) {
  const revision = task.revision?.split(":").at(-1);
  return element(
    "tr", {},
    element("td", {}, task.zone ?? "–"),
    element("td", { class: "code", title: task.task ?? "" }, task.task?.slice(0, 8) ?? "–"),
    element("td", { title: task.version }, revision ?? task.version.slice(0, 8)),
    element("td", { class: "number" }, duration(task.uptime_seconds)),
    element("td", { class: "number" }, String(task.answers)),
  );
}
