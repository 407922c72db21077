from __future__ import annotations

import json
import sys

import pytest


def test_create_makes_every_stack_and_pins_the_image(project):
    done = project.do("create", "--runtime", "process")
    assert done.exit_code == 0, done.output
    assert project.statuses() == dict.fromkeys(("registry", "data", "service"), "CREATE_COMPLETE")
    assert "Running: What runs, created" in done.stderr
    outputs = json.loads(project.do("outputs", "--json").stdout)
    stack = project.client("cloudformation").describe_stacks(StackName=project.stack("service"))["Stacks"][0]
    image = {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]}["Image"]
    images = project.client("ecr").describe_images(repositoryName=outputs["registry"]["RepositoryName"])
    details = images["imageDetails"]
    assert image == f"{outputs['registry']['RepositoryUri']}@{details[0]['imageDigest']}"
    assert details[0]["imageTags"][0].endswith("-process")
    assert stack["Tags"] == [{"Key": "project", "Value": "echo-room"}]


def test_create_of_what_exists_changes_nothing(created):
    before = created.client("cloudformation").describe_stacks(StackName=created.stack("data"))["Stacks"][0]
    done = created.do("create", "--runtime", "process")
    assert done.exit_code == 3
    assert "exists already" in done.stderr
    after = created.client("cloudformation").describe_stacks(StackName=created.stack("data"))["Stacks"][0]
    assert after == before


def test_create_continues_with_what_is_missing_after_a_failure(project):
    good = project.template("data").read_text()
    taken = f"/taken/{project.env}"
    project.client("ssm").put_parameter(Name=taken, Value="x", Type="String")
    project.edit("data", "Value: !Ref Password", f"Name: {taken}, Value: !Ref Password")
    failed = project.do("create", "--runtime", "process")
    assert failed.exit_code == 1, failed.output
    assert project.statuses()["registry"] == "CREATE_COMPLETE"
    assert "service" not in project.statuses()
    project.template("data").write_text(good)
    done = project.do("create", "--runtime", "process")
    assert done.exit_code == 0, done.output
    assert "Continuing; complete already: registry" in done.stderr
    assert project.statuses() == dict.fromkeys(("registry", "data", "service"), "CREATE_COMPLETE")


def test_create_clears_the_leftover_of_an_interrupted_creation(project):
    cloudformation = project.client("cloudformation")
    cloudformation.create_change_set(
        StackName=project.stack("registry"),
        ChangeSetName="left",
        ChangeSetType="CREATE",
        TemplateBody=project.template("registry").read_text(),
    )
    assert project.statuses() == {"registry": "REVIEW_IN_PROGRESS"}
    done = project.do("create", "--runtime", "process")
    assert done.exit_code == 0, done.output
    assert "left by an interrupted creation: deleting it first" in done.stderr


def test_delete_removes_everything_and_names_what_is_kept(created):
    outputs = json.loads(created.do("outputs", "--json").stdout)
    done = created.do("delete")
    assert done.exit_code == 0, done.output
    assert created.statuses() == {}
    assert "Deleting 1 images of" in done.stderr
    assert f"Kept, and still billed where it costs: {outputs['data']['TableName']}" in done.stdout
    again = created.do("delete")
    assert again.exit_code == 0
    assert "does not exist" in again.stderr


def test_delete_without_a_terminal_asks_for_yes_where_no_endpoint_of_its_own_is(created, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", created.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    text = created.file.read_text()
    created.file.write_text(text.replace(f'[endpoint]\nurl = "{created.url}"\nprocess_images = true\n', ""))
    refused = created.do("delete")
    assert refused.exit_code == 3, refused.output
    assert "YES=1" in refused.stderr
    assert len(created.statuses()) == 3
    done = created.do("delete", "--yes")
    assert done.exit_code == 0, done.output
    assert created.statuses() == {}


def test_token_is_made_with_the_stacks_outputs_and_shown_once(created):
    table = json.loads(created.do("outputs", "--json").stdout)["data"]["TableName"]
    done = created.do("token", "--name", "me")
    assert done.exit_code == 0, done.output
    assert done.stdout == f"export TOKEN=made-for-{table}\n"
    assert "made-for" not in done.stderr


def test_a_stopped_endpoint_is_started_and_stopped_with_the_last_stack(make_project, relay):
    project = make_project(relay.url)
    words = {verb: json.dumps([sys.executable, str(relay.script), verb]) for verb in ("start", "stop")}
    project.file.write_text(
        project.file.read_text().replace(
            "process_images", f"start = {words['start']}\nstop = {words['stop']}\nprocess_images"
        )
    )
    first = project.do("create", "--runtime", "process")
    assert first.exit_code == 0, first.output
    assert "relay started" in first.stderr
    relay.stop()
    back = project.do("create", "--runtime", "process")
    assert back.exit_code == 0, back.output
    assert "is back, as it was" in back.stderr
    assert project.do("create", "--runtime", "process").exit_code == 3
    assert project.do("delete").exit_code == 0
    # Other tests' stacks may be left on the shared endpoint; then it has to stay.
    left = project.client("cloudformation") if relay.script.parent.joinpath("relay.pid").exists() else None
    if left:
        assert left.describe_stacks()["Stacks"]


def test_start_runs_what_the_file_says(make_project):
    project = make_project("http://127.0.0.1:9")
    text = project.file.read_text()
    project.file.write_text(text.replace("process_images", 'start = ["echo", "at", "{url}"]\nprocess_images'))
    done = project.do("start")
    assert (done.exit_code, done.stdout) == (0, "at http://127.0.0.1:9\n")
    project.file.write_text(text)
    done = project.do("start")
    assert done.exit_code == 2
    assert "has no [endpoint] start command" in done.stderr


@pytest.mark.parametrize("command", ["status", "outputs", "events"])
def test_reading_starts_nothing(make_project, command, tmp_path):
    project = make_project("http://127.0.0.1:9")
    marker = tmp_path / "started"
    project.file.write_text(
        project.file.read_text().replace("process_images", f'start = ["touch", "{marker}"]\nprocess_images')
    )
    done = project.do(command)
    assert done.exit_code == 1
    assert "Nothing answers at http://127.0.0.1:9" in done.stderr
    assert not marker.exists()


def test_ctrl_c_says_what_goes_on_and_exits_130(project, monkeypatch):
    import time

    from stack.running import progress

    real = progress.Follower.follow

    def interrupted(self, verb, start):
        def press() -> None:
            start()
            raise KeyboardInterrupt

        return real(self, verb, press)

    monkeypatch.setattr(progress.Follower, "follow", interrupted)
    done = project.do("create", "--runtime", "process")
    assert done.exit_code == 130
    assert f"Creating {project.stack('registry')} goes on" in done.stderr
    deadline = time.monotonic() + 60
    while project.statuses() != {"registry": "CREATE_COMPLETE"}:
        assert time.monotonic() < deadline, project.statuses()
        time.sleep(0.1)
