"""How long it took the last time, and what is left by that."""

from __future__ import annotations

import json

import pytest

from stack.running import progress
from stack.running.durations import WHOLE, Durations, in_words
from tests.stack.running.updates import END, NOW, WAITING, event


def test_the_last_time_tells_how_long_is_left(cloud):
    loaded = cloud.environment
    update = Durations(loaded, "data", "update")
    assert update.left({WHOLE: 0.0, "A": 0.0}, 5.0) is None, "nothing is known yet"
    update.keep([*NOW, END], "id")
    update = Durations(loaded, "data", "update")
    assert update.left({WHOLE: 0.0, "A": 100.0, "B": 0.0}, 110.0) == 20
    assert update.left({WHOLE: 0.0}, 1.0) is None, "an update as a whole is another each time"
    assert Durations(loaded, "service", "update").left({"A": 0.0}, 1.0) is None
    create = Durations(loaded, "data", "create")
    create.keep([event(1, "s", "CREATE_IN_PROGRESS"), event(2, "s", "CREATE_COMPLETE", 60)], "id")
    assert Durations(loaded, "data", "create").left({WHOLE: 10.0, "A": 0.0}, 30.0) == 40
    assert Durations(loaded, "data", "update").left({"A": 0.0}, 0.0) == 30, "each operation has its own"
    (loaded.state / "durations.json").write_text("{")
    assert Durations(loaded, "data", "create").left({WHOLE: 0.0}, 0.0) is None


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (None, ""),
        (40.4, "about 40 s left"),
        (299.0, "about 5 min left"),
        (0.2, "nearly done"),
        (-12.0, "takes 12 s longer than the last time"),
    ],
)
def test_an_estimate_in_words(left, words):
    assert in_words(left) == words


def test_progress_says_what_is_left(created, monkeypatch):
    monkeypatch.setattr(progress, "_HEARTBEAT", -1.0)
    created.file.write_text(created.file.read_text().replace('Mode = "one"', 'Mode = "two"'))
    kept = created.root / ".state" / created.env / "durations.json"
    found = json.loads(kept.read_text())
    assert found["data"]["create"].keys() >= {WHOLE, "Topic"}
    found["data"]["update"] = {"Topic": 1000.0, "Setting": 1000.0, "Table": 1000.0}
    kept.write_text(json.dumps(found))
    created.edit("data", "Resources:\n", WAITING.replace("SECONDS", "2").replace("Wait:", "Topic2:"))
    created.template("data").write_text(created.template("data").read_text().replace("DependsOn: Wait", ""))
    found["data"]["update"]["Topic2"] = 1000.0
    kept.write_text(json.dumps(found))
    begun = created.do("change", "--name", "slow", "--runtime", "process")
    assert begun.exit_code == 0, begun.output
    done = created.do("approve", "--name", "slow")
    assert "still waiting for " in done.stderr
    assert "about 17 min left" in done.stderr
