"""The registry's HTTP API, and the SBOM as an artifact that refers to its image."""

from __future__ import annotations

import base64
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from stack.aws.clients import Cloud
from stack.errors import ToolError
from stack.image import inputs, process, referrer, registry, sbom
from stack.image.registry import Repository
from stack.terminal import Terminal

TOKEN = base64.b64encode(b"AWS:password").decode()


def cloud_at(url: str, token: str = TOKEN) -> Cloud:
    answer = {"authorizationData": [{"authorizationToken": token}]}
    ecr = SimpleNamespace(get_authorization_token=lambda: answer)
    return cast("Cloud", SimpleNamespace(url=url, where=url or "AWS", ecr=ecr))


class Server:
    """A registry that answers what it is told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], tuple[int, dict[str, str], bytes]] = {}
        self.asked: list[tuple[str, str, str | None, bytes]] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                outer.asked.append((self.command, self.path, self.headers.get("Authorization"), body))
                path = self.path.partition("?")[0]
                status, headers, content = outer.answers.get((self.command, path), (404, {}, b"not here"))
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            do_GET = do_HEAD = do_PUT = do_POST = handle_any  # noqa: N815 - the library's names

            def log_message(self, *_: Any) -> None:
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


@pytest.fixture
def servers() -> Iterator[tuple[Server, Server]]:
    pair = (Server(), Server())
    yield pair
    for one in pair:
        one.http.shutdown()
        one.http.server_close()


def test_ecr_is_spoken_to_over_https_at_the_repositorys_address() -> None:
    uri = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/team/echo"
    base = Repository(cloud_at(""), uri).base
    assert base == "https://123456789012.dkr.ecr.eu-central-1.amazonaws.com/v2/team/echo"


def test_what_is_no_authorization_token_is_refused() -> None:
    with pytest.raises(ToolError, match="authorization token is not one"):
        Repository(cloud_at("http://127.0.0.1:1", base64.b64encode(b"other").decode()), "x/echo")


def test_an_upload_follows_redirects_and_shows_other_hosts_no_credentials(
    servers: tuple[Server, Server],
) -> None:
    own, other = servers
    own.answers["POST", "/v2/echo/blobs/uploads/"] = (
        202,
        {"Location": "/v2/echo/blobs/uploads/u1?state=s"},
        b"",
    )
    own.answers["PUT", "/v2/echo/blobs/uploads/u1"] = (307, {"Location": f"{other.url}/store"}, b"")
    other.answers["PUT", "/store"] = (201, {}, b"")
    Repository(cloud_at(own.url), "x/echo").put_blob(b"content")
    assert {authorization for _, _, authorization, _ in own.asked} == {f"Basic {TOKEN}"}
    assert own.asked[-1][1] == f"/v2/echo/blobs/uploads/u1?state=s&digest={registry.digest(b'content')}"
    assert other.asked == [("PUT", "/store", None, b"content")]


def test_a_registry_that_redirects_for_ever_or_does_not_answer_is_named(
    servers: tuple[Server, Server], unused_port: int
) -> None:
    own, _ = servers
    own.answers["GET", "/v2/echo/manifests/t"] = (302, {"Location": "/v2/echo/manifests/t"}, b"")
    with pytest.raises(ToolError, match="redirects more than"):
        Repository(cloud_at(own.url), "x/echo").manifest("t")
    with pytest.raises(ToolError, match=f"127.0.0.1:{unused_port}/v2/echo does not answer"):
        Repository(cloud_at(f"http://127.0.0.1:{unused_port}"), "x/echo").manifest("t")


@pytest.fixture
def pushed(created: Any) -> tuple[Any, str, str]:
    """An environment, its repository's address, and the digest of the image that is in it."""
    outputs = json.loads(created.do("outputs", "--json").stdout)["registry"]
    image = created.do("push", "--runtime", "process").stdout.strip().rsplit("@", 1)[1]
    return created, outputs["RepositoryUri"], image


def make_sbom(folder: Path, created: Any, config_digest: str = "") -> Path:
    """An SBOM of the image that `created` pushed, or of the one with that configuration."""
    _, (config, _) = process.build(created.root, inputs.fingerprint(created.root) + "-process")
    digest = config_digest or registry.digest(config)
    component = {"properties": [{"name": sbom.CONFIG_DIGEST, "value": digest}]}
    file = folder / "t.cdx.json"
    file.write_text(json.dumps({"metadata": {"timestamp": "2026-01-01T00:00:00Z", "component": component}}))
    return file


def referring(created: Any, uri: str, image: str) -> list[dict[str, Any]]:
    """Manifests in the repository whose subject is the image."""
    ecr, name = created.client("ecr"), uri.partition("/")[2]
    found = []
    for one in ecr.list_images(repositoryName=name)["imageIds"]:
        answer = ecr.batch_get_image(repositoryName=name, imageIds=[{"imageDigest": one["imageDigest"]}])
        manifest = json.loads(answer["images"][0]["imageManifest"])
        if manifest.get("subject", {}).get("digest") == image:
            found.append({**manifest, "tag": one.get("imageTag")})
    return found


def test_an_sbom_is_attached_once_and_needs_no_tag(
    pushed: tuple[Any, str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    created, uri, image = pushed
    file = make_sbom(tmp_path, created)
    cloud = cloud_at(created.url)
    referrer.attach(cloud, uri, image, file, Terminal())
    assert "Attached its SBOM as sha256:" in capsys.readouterr().err
    referrer.attach(cloud, uri, image, file, Terminal())
    assert capsys.readouterr().err == ""
    (artifact,) = referring(created, uri, image)
    assert artifact["tag"] is None
    assert artifact["artifactType"] == "application/vnd.cyclonedx+json"
    assert artifact["config"]["mediaType"] == "application/vnd.oci.empty.v1+json"
    (layer,) = artifact["layers"]
    assert layer["mediaType"] == "application/vnd.cyclonedx+json"
    assert layer["digest"] == registry.digest(file.read_bytes())
    kind, subject = Repository(cloud, uri).manifest(image) or ("", b"")
    assert artifact["subject"] == registry.described(kind, subject)


def test_an_sbom_of_another_build_is_not_attached(
    pushed: tuple[Any, str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    created, uri, image = pushed
    file = make_sbom(tmp_path, created, "sha256:" + "0" * 64)
    referrer.attach(cloud_at(created.url), uri, image, file, Terminal())
    assert "describes another build" in capsys.readouterr().err
    assert referring(created, uri, image) == []


def test_an_sbom_belongs_to_an_index_that_names_its_image(
    servers: tuple[Server, Server], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own, _ = servers
    child = json.dumps({"config": {"digest": "sha256:c1"}}).encode()
    index = json.dumps({"manifests": [{"digest": "sha256:m1"}]}).encode()
    kind = "application/vnd.oci.image.index.v1+json"
    own.answers["GET", "/v2/echo/manifests/sha256:m1"] = (200, {"Content-Type": registry.MANIFEST}, child)
    own.answers["GET", "/v2/echo/manifests/sha256:i1"] = (200, {"Content-Type": kind}, index)
    own.answers["POST", "/v2/echo/blobs/uploads/"] = (202, {"Location": "/upload"}, b"")
    own.answers["PUT", "/upload"] = (201, {}, b"")
    component = {"properties": [{"name": sbom.CONFIG_DIGEST, "value": "sha256:c1"}]}
    file = tmp_path / "t.cdx.json"
    file.write_text(json.dumps({"metadata": {"timestamp": "2026-01-01T00:00:00Z", "component": component}}))
    # The manifest itself is refused: said, with the registry's own words, and nothing else happens.
    referrer.attach(cloud_at(own.url), "x/echo", "sha256:i1", file, Terminal())
    said = capsys.readouterr().err
    assert "Note: the SBOM t.cdx.json could not be attached to the image" in said
    assert "answered 404 on pushing the manifest" in said
    assert "not here" in said
    method, path, _, body = own.asked[-1]
    assert (method, path) == ("PUT", f"/v2/echo/manifests/{registry.digest(body)}")
    assert json.loads(body)["subject"] == registry.described(kind, index)


@pytest.mark.parametrize("content", ["", "[]", '{"metadata": {}}'])
def test_a_damaged_sbom_fails_no_deployment(
    pushed: tuple[Any, str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    created, uri, image = pushed
    file = tmp_path / "t.cdx.json"
    file.write_text(content)
    referrer.attach(cloud_at(created.url), uri, image, file, Terminal())
    assert "could not be attached" in capsys.readouterr().err


def test_a_later_push_attaches_what_an_earlier_one_could_not(pushed: tuple[Any, str, str]) -> None:
    created, uri, image = pushed
    made = make_sbom(created.root, created)
    file = sbom.path(created.root, inputs.fingerprint(created.root) + "-process")
    file.parent.mkdir(parents=True)
    made.rename(file)
    again = created.do("push", "--runtime", "process")
    assert again.exit_code == 0, again.output
    assert "already" in again.stderr
    assert "Attached its SBOM" in again.stderr
    assert len(referring(created, uri, image)) == 1
