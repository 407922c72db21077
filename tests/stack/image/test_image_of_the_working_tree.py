from __future__ import annotations

import gzip
import io
import json
import os
import stat
import subprocess
import tarfile

import pytest

from stack.errors import ToolError
from stack.files import environment
from stack.image import dockerfile, engine, inputs, pin, process, registry


def test_the_fingerprint_follows_what_goes_in_and_nothing_else(project, monkeypatch):
    first = inputs.fingerprint(project.root)
    assert len(first) == 16
    (project.root / "app" / "__pycache__").mkdir()
    (project.root / "app" / "__pycache__" / "main.pyc").write_bytes(b"x")
    (project.root / "README").write_text("x")
    assert inputs.fingerprint(project.root) == first
    (project.root / "app" / "main.py").write_text("print('other')\n")
    second = inputs.fingerprint(project.root)
    assert second != first
    monkeypatch.setenv("BASE_IMAGE", "another")
    assert inputs.fingerprint(project.root) not in (first, second)


def git(project, *words):
    done = subprocess.run(
        ["git", "-C", project.root, "-c", "user.name=t", "-c", "user.email=t@example.com", *words],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_a_tag_says_when_no_commit_holds_what_is_built(project):
    assert not pin._tag(project.root, "amd64").endswith("-dirty"), "no checkout, nothing known"
    git(project, "init", "-q")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "all")
    clean = pin._tag(project.root, "amd64")
    assert clean == f"{inputs.fingerprint(project.root)}-amd64"
    (project.root / "README").write_text("no part of an image")
    assert pin._tag(project.root, "amd64") == clean
    (project.root / "app" / "main.py").write_text("print('other')\n")
    changed = pin._tag(project.root, "amd64")
    assert changed == f"{inputs.fingerprint(project.root)}-amd64-dirty" == pin._tag(project.root, "amd64")
    git(project, "checkout", "-q", "app")
    assert pin._tag(project.root, "amd64") == clean
    (project.root / "app" / "new.py").write_text("")
    assert pin._tag(project.root, "amd64").endswith("-dirty"), "a file that is not in Git yet"


def test_the_last_stage_of_the_dockerfile_is_the_images_configuration(project):
    found = dockerfile.read(project.root / "docker" / "Dockerfile", "v1").as_oci()
    assert found == {
        "Env": ["ECHO_HOST=0.0.0.0", "ECHO_VERSION=v1"],
        "Entrypoint": ["python3", "-m", "app"],
        "Cmd": ["serve"],
        "WorkingDir": "/srv",
        "ExposedPorts": {"8080/tcp": {}},
        "Labels": {"title": "echo", "version": "v1"},
        "User": "10001:10001",
    }


def test_a_stage_that_builds_on_another_inherits_from_it(tmp_path):
    file = tmp_path / "Dockerfile"
    file.write_text("FROM x AS one\nENV A=1\nFROM y AS two\nENV B=2\nFROM one\nENV C=3\n")
    assert dockerfile.read(file, "v").env == {"A": "1", "C": "3"}


def test_a_command_in_shell_form_is_refused(tmp_path):
    file = tmp_path / "Dockerfile"
    file.write_text("FROM x\nCMD python3 -m app\n")
    with pytest.raises(ToolError, match="write CMD in JSON form"):
        dockerfile.read(file, "v")


def test_the_same_tree_gives_the_same_process_image(project):
    manifest, (config, layer) = process.build(project.root, "v1")
    for file in (project.root / "app").iterdir():
        os.utime(file, (1, 1))
    assert process.build(project.root, "v1") == (manifest, [config, layer])
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(layer))) as archive:
        assert archive.getnames() == ["srv/app/main.py"]
    assert json.loads(config)["config"]["Labels"]["io.echo-room.runtime"] == "process"
    assert json.loads(manifest)["layers"][0]["size"] == len(layer)


def test_a_process_image_can_be_read_back_from_the_registry(created):
    outputs = json.loads(created.do("outputs", "--json").stdout)["registry"]
    first = created.do("push", "--runtime", "process")
    assert first.exit_code == 0, first.output
    assert "already" in first.stderr
    digest = first.stdout.strip().rsplit("@", 1)[1]
    from stack.outside import web

    answer = web.request("GET", f"{created.url}/v2/{outputs['RepositoryName']}/manifests/{digest}")
    assert answer.status == 200
    assert json.loads(answer.body) == json.loads(
        process.build(created.root, inputs.fingerprint(created.root) + "-process")[0]
    )


@pytest.fixture
def fake_docker(tmp_path, monkeypatch):
    def install(script: str) -> None:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        file = folder / "docker"
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    return install


@pytest.mark.parametrize(
    ("script", "state", "detail"),
    [
        ("exit 0", "works", ""),
        ('echo "Cannot connect to the Docker daemon at unix:///x" >&2; exit 1', "absent", "Cannot connect"),
        ('[ "$1" = version ] && exit 0; echo "no space left" >&2; exit 1', "broken", "no space left"),
        ('echo "permission denied" >&2; exit 1', "broken", "permission denied"),
        ("sleep 30", "broken", "gave no answer"),
    ],
)
def test_the_engine_is_asked_whether_it_works(fake_docker, monkeypatch, script, state, detail):
    monkeypatch.setattr(engine, "_SECONDS", 0.5)
    fake_docker(script)
    found = engine.detect()
    assert found.state == state
    assert detail in found.detail


def test_a_half_broken_engine_is_named_and_processes_are_used(project, fake_docker):
    fake_docker('[ "$1" = version ] && exit 0; echo "no space left" >&2; exit 1')
    done = project.do("create")
    assert done.exit_code == 0, done.output
    assert "the Docker engine is there but does not work" in done.stderr
    assert "no space left" in done.stderr


def test_a_wish_for_containers_without_an_engine_fails_before_anything_is_made(project, fake_docker):
    fake_docker('echo "Cannot connect to the Docker daemon" >&2; exit 1')
    done = project.do("create", "--runtime", "container")
    assert done.exit_code == 1
    assert "The Docker engine does not answer" in done.stderr
    assert project.statuses() == {}


def test_an_environment_without_processes_needs_an_engine(project, fake_docker):
    fake_docker('echo "Cannot connect to the Docker daemon" >&2; exit 1')
    project.file.write_text(project.file.read_text().replace("process_images = true", ""))
    done = project.do("create")
    assert done.exit_code == 1
    assert "Start Docker" in done.stderr
    refused = project.do("create", "--runtime", "process")
    assert refused.exit_code == 2
    assert "cannot run images as processes" in refused.stderr
    assert project.statuses() == {}


# An engine of an amd64 machine that has no image yet, and a build that says what it was asked for.
ENGINE = 'case "$1 $2" in "version "*) echo amd64 ;; "image inspect") exit 1 ;; esac'
BUILD = '#!/bin/sh\necho "$*" > asked\nexit 1\n'


@pytest.mark.parametrize(
    ("template", "asked", "built"),
    [("X86_64", [], "amd64"), ("ARM64", [], "amd64"), ("X86_64", ["--arch", "arm64"], "arm64")],
)
def test_an_image_alone_is_for_this_machine_unless_another_is_asked_for(
    project, fake_docker, template, asked, built
):
    project.edit(
        "service", "Parameters:", f"Parameters:\n  Architecture: {{Type: String, Default: {template}}}"
    )
    (project.root / "docker" / "build.sh").write_text(BUILD)
    (project.root / "docker" / "build.sh").chmod(0o755)
    fake_docker(ENGINE)
    tag = f"{inputs.fingerprint(project.root)}-{built}"
    done = project.run("image", *asked)
    assert done.exit_code == 1
    assert (project.root / "asked").read_text() == f"echo-room:{tag} {tag} {built}\n"


@pytest.mark.parametrize(("architecture", "processor"), [("X86_64", "amd64"), ("ARM64", "arm64"), ("", "")])
def test_an_environments_image_is_for_the_processor_that_it_names(project, architecture, processor):
    if architecture:
        project.edit("service", "Parameters:", "Parameters:\n  Architecture: {Type: String, Default: X86_64}")
        project.append(f'\n[parameters.service]\nArchitecture = "{architecture}"\n')
    assert pin.architecture(environment.load(project.root, project.env)) == processor


def test_what_builds_the_image_is_part_of_its_tag(project):
    before = inputs.fingerprint(project.root)
    (project.root / "docker" / "rootfs").mkdir()
    (project.root / "docker" / "rootfs" / "new.py").write_text("")
    assert inputs.fingerprint(project.root) != before


@pytest.mark.engine
def test_a_container_image_is_built_pushed_and_pinned(project):
    if engine.detect().state != "works":
        assert not os.environ.get("CI"), "CI has to have a Docker engine"
        pytest.skip("no Docker engine answers")
    # MiniStack's own repositories have AWS's address; the engine can push only to this endpoint's.
    project.edit(
        "registry",
        "{Value: !GetAtt Repository.RepositoryUri}",
        "{Value: !Sub '" + project.url.removeprefix("http://") + "/${Repository}'}",
    )
    script = project.root / "docker" / "build.sh"
    script.write_text(
        "#!/bin/sh\nset -e\n"
        'printf "FROM scratch\\nCOPY main.py /\\nLABEL v=$2\\n" | docker build -q -t "$1" -f - app >&2\n'
    )
    script.chmod(0o755)
    (project.root / "app" / "main.py").write_text(project.env)
    tag = f"{inputs.fingerprint(project.root)}-{engine.detect().architecture}"
    try:
        done = project.do("create", "--runtime", "container")
        assert done.exit_code == 0, done.output
        repository = json.loads(project.do("outputs", "--json").stdout)["registry"]["RepositoryName"]
        images = project.client("ecr").describe_images(repositoryName=repository)["imageDetails"]
        tagged, attached = images
        assert tagged["imageTags"] == [tag]
        assert not attached.get("imageTags")
        found = project.client("ecr").batch_get_image(
            repositoryName=repository, imageIds=[{"imageDigest": attached["imageDigest"]}]
        )
        artifact = json.loads(found["images"][0]["imageManifest"])
        bom = project.root / ".state" / "images" / f"{tag}.cdx.json"
        assert artifact["subject"]["digest"] == tagged["imageDigest"]
        assert artifact["layers"][0]["digest"] == registry.digest(bom.read_bytes())
        stack = project.client("cloudformation").describe_stacks(StackName=project.stack("service"))[
            "Stacks"
        ][0]
        image = {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]}["Image"]
        assert image.endswith(f"/{repository}@{tagged['imageDigest']}")
    finally:
        found = subprocess.run(
            ["docker", "images", "--quiet", f"echo-room:{tag}"], capture_output=True, text=True, check=False
        )
        for image in found.stdout.split():
            subprocess.run(["docker", "rmi", "--force", image], capture_output=True, check=False)
