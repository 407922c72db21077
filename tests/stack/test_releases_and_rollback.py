from __future__ import annotations

import json
from typing import Any

import pytest


def releases(project: Any) -> list[dict[str, Any]]:
    done = project.do("releases", "--json")
    assert done.exit_code == 0, done.output
    found: list[dict[str, Any]] = json.loads(done.stdout)["releases"]
    return found


@pytest.fixture
def twice(created: Any) -> Any:
    """An environment that runs its second image."""
    (created.root / "app" / "main.py").write_text("print('another')\n")
    assert created.do("change", "--name", "code", "--runtime", "process").exit_code == 0
    assert created.do("approve", "--name", "code").exit_code == 0
    return created


def test_images_are_listed_with_the_one_that_runs_and_can_be_gone_back_to(twice):
    found = releases(twice)
    assert sorted(one["runs_in"] for one in found) == [[], ["service"]]
    (old,) = [one for one in found if not one["runs_in"]]
    (new,) = [one for one in found if one["runs_in"]]
    shown = twice.do("releases")
    assert old["digest"] in shown.stdout
    assert new["tags"][0] in shown.stdout
    refused = twice.do("rollback", "--to", new["tags"][0])
    assert refused.exit_code == 3, refused.output
    assert "runs already in service" in refused.stderr
    done = twice.do("rollback", "--to", old["digest"][:20], "--name", "back")
    assert done.exit_code == 0, done.output
    assert f"Back to {old['tags'][0]}" in done.stderr
    assert f"make approve ENV={twice.env} NAME=back" in done.stderr
    assert [one["runs_in"] for one in releases(twice) if one["digest"] == new["digest"]] == [["service"]]
    assert twice.do("approve", "--name", "back").exit_code == 0
    (running,) = [one for one in releases(twice) if one["runs_in"]]
    assert running["digest"] == old["digest"]


def test_an_image_that_is_not_there_is_refused(twice):
    done = twice.do("rollback", "--to", "nothing")
    assert done.exit_code == 2, done.output
    assert 'TO="nothing": no image is called so' in done.stderr
    assert releases(twice)[0]["tags"][0] in done.stderr


def test_there_may_be_nothing_to_go_back_to(created):
    done = created.do("rollback")
    assert done.exit_code == 3, done.output
    assert "no image older than the one that runs" in done.stderr


def test_without_an_environment_there_are_no_releases(project):
    done = project.do("releases")
    assert done.exit_code == 3, done.output
    assert "has no image repository yet" in done.stderr
