"""Each wrong use: its exit code, what is said, and that nothing was changed."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["create"], 2, "No environment is given"),
        (["create", "--env", "nowhere"], 2, 'There is no environment "nowhere"'),
        (["create", "--env", "../x"], 2, "There is no environment"),
        (["change", "--env", "{env}"], 2, "A change needs a name"),
        (["change", "--env", "{env}", "--name", "1st"], 2, "cannot name a change set"),
        (["change", "--env", "{env}", "--name", "a_b"], 2, "cannot name a change set"),
        (["approve", "--env", "{env}"], 2, "A change needs a name"),
        (["approve", "--env", "{env}", "--name", "nope"], 3, "has no change set nope to approve"),
        (["reject", "--env", "{env}", "--name", "nope"], 3, "has no change set nope"),
        (["token", "--env", "{env}"], 2, "A token needs a name"),
        (["test", "--env", "{env}"], 2, "has no service: none of its stacks"),
        (["events", "--env", "{env}", "--stack", "servise"], 2, 'did you mean "service"'),
        (["create", "--env", "{env}", "--runtime", "vm"], 2, "'vm' is not one of"),
        (["explode", "--env", "{env}"], 2, "No such command"),
    ],
)
def test_wrong_use_of_an_existing_environment(created, words, code, said):
    before = created.found()
    done = created.run(*[word.replace("{env}", created.env) for word in words])
    assert done.exit_code == code, done.output
    assert said in done.stderr
    assert "Traceback" not in done.output
    assert created.found() == before


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["change", "--name", "x"], 3, "does not exist, so there is nothing to change"),
        (["approve", "--name", "x"], 3, "make create ENV="),
        (["test"], 2, "none of its stacks (registry, data, service) is one"),
        (["dashboard", "--minutes", "5"], 2, "Give a file, too: PNG="),
        (["token", "--name", "x"], 1, "needs the output TableName"),
        (["push", "--runtime", "process"], 1, "has the output 'RepositoryUri'"),
        (["status"], 1, "Create what is missing"),
    ],
)
def test_an_environment_that_is_not_there(project, words, code, said):
    done = project.do(*words)
    assert done.exit_code == code, done.output
    assert said in done.stderr
    assert project.statuses() == {}


def test_a_service_that_is_not_there(project):
    project.edit("service", "Outputs:", "Outputs:\n  Url: {Value: 'http://127.0.0.1'}")
    done = project.do("test")
    assert done.exit_code == 3, done.output
    assert "has no service now" in done.stderr


def test_something_else_at_the_endpoint_is_named(make_project, tmp_path):
    import http.server
    import threading

    class Other(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>hello")

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Other)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        project = make_project(f"http://127.0.0.1:{server.server_address[1]}")
        done = project.do("create")
        assert done.exit_code == 1, done.output
        assert "is not AWS or an endpoint like it" in done.stderr
    finally:
        server.shutdown()
        server.server_close()


def test_a_real_environment_without_credentials_changes_nothing(project):
    text = project.file.read_text()
    start, end = text.index("[endpoint]"), text.index("[token]")
    project.file.write_text(text[:start] + text[end:])
    for command in (["create"], ["delete", "--yes"], ["change", "--name", "x"], ["status"]):
        done = project.do(*command)
        assert done.exit_code == 1, done.output
        assert "No usable AWS credentials" in done.stderr
        assert "AWS_PROFILE" in done.stderr


def test_an_endpoint_that_cannot_be_started_says_why(make_project):
    project = make_project("http://127.0.0.1:9")
    text = project.file.read_text()
    project.file.write_text(
        text.replace("process_images", 'start = ["sh", "-c", "echo port taken >&2; exit 4"]\nprocess_images')
    )
    done = project.do("create")
    assert done.exit_code == 1
    assert "Starting the endpoint at http://127.0.0.1:9 failed: port taken" in done.stderr


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("stacks =", "stakcs =", 'unknown key "stakcs" (did you mean "stacks"?)'),
        ('"service"]', '"servise"]', 'unknown stack "servise" (did you mean "service"?)'),
        ('"service"]', '"data"]', 'names "data" twice'),
        ('region = "us-east-1"', "region = 3", "region: must be a string, not 3"),
        ('region = "us-east-1"', "", "region: is missing"),
        ("url =", "uri =", 'unknown key "uri" (did you mean "url"?)'),
        ("http://", "htp://", "endpoint.url: must be like"),
        ("process_images = true", 'process_images = "yes"', "must be true or false, not 'yes'"),
        ("{name}", "{nmae}", 'unknown placeholder "nmae" (did you mean "name"?)'),
        ("data.TableName", "data.Tablename", 'unknown output "Tablename" (did you mean "TableName"?)'),
        ("data.TableName", "dta.TableName", 'unknown stack "dta" (did you mean "data"?)'),
        ("Mode =", "Mod =", '[parameters.data]: unknown parameter "Mod" (did you mean "Mode"?)'),
        ('Mode = "one"', 'Mode = "onw"', '"onw" is not one of one, two (did you mean "one"?)'),
        ('Mode = "one"', "Mode = 1.5", "must be a string, integer, boolean or list of strings, not 1.5"),
        ("[parameters.data]", "[parameters.dat]", '[parameters]: unknown stack "dat" (did you mean "data"?)'),
        ('Mode = "one"', '[parameters.service]\nImage = "x"', "is filled by the tool"),
        ('project = "echo-room"', "project = 1", "tags.project: must be a string, not 1"),
        ("region =", "region ==", "is not TOML"),
    ],
)
def test_a_mistake_in_the_environment_file_is_named(project, old, new, said):
    text = project.file.read_text()
    assert old in text
    project.file.write_text(text.replace(old, new, 1))
    done = project.do("create")
    assert done.exit_code == 2, done.output
    assert said in done.stderr
    assert f"environments/{project.env}.toml" in done.stderr
    assert project.statuses() == {}


def test_a_parameter_without_a_value_is_found_before_anything_is_made(project):
    project.edit("data", "Key: {Type: String, Default: pk}", "Key: {Type: String}")
    done = project.do("create")
    assert done.exit_code == 2
    assert "[parameters.data]: Key has no value" in done.stderr


def test_a_template_that_is_not_yaml_is_named_with_its_line(project):
    project.template("data").write_text("Resources:\n  A: [\n")
    done = project.do("create")
    assert done.exit_code == 2
    assert "data.yaml: is not YAML" in done.stderr
    assert "line 3" in done.stderr


def test_every_command_has_help_with_an_example(project):
    commands = [
        line.split()[0]
        for line in project.run("--help").stdout.split("Commands:")[1].splitlines()
        if line.startswith("  ") and line[2] != " "
    ]
    commands = [name for name in commands if name != "Exit"]
    assert "last-create-failure" in commands
    for name in commands:
        done = project.run(name, "--help")
        assert done.exit_code == 0
        assert f"python -m stack {name}" in done.stdout
