"""Items, stacks and a region lost, and had back as docs/operations.md says; bench/recovery measures it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from app import tokens
from app.store import new_record
from app.store.records import OPERATOR
from bench.recovery import items, region, stacks, writer
from bench.recovery import place as places
from stack.cli import tool
from tests.e2e.checkout import ROOT, Checkout

pytestmark = pytest.mark.serial


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """An environment that goes through all of this, one loss after the other."""
    checkout = Checkout(tmp_path_factory.mktemp("recovery"), engine=False)
    try:
        places.create(checkout)
        yield checkout
    finally:
        checkout.run("make local-reset YES=1")


def restore(place: Checkout, *words: str) -> Result:
    done = CliRunner().invoke(tool, ["--project", str(place.root), "restore", "--env", "local", *words])
    assert done.exit_code == 0, done.output
    return done


def as_data(place: Checkout, *words: str) -> Any:
    return json.loads(restore(place, *words, "--json").stdout)


def test_lost_items_are_restored_and_put_to_use(place: Checkout) -> None:
    found = items.run(place, 2)
    # A second may be lost, as the mistake is known to the second; what was written before it is all there.
    whole = [one for one in found.written if one.at < int(found.lost_at)]
    assert whole
    assert set(whole) <= set(found.known)
    assert [name for name, _ in found.steps[:3]] == ["`make restore`", "`make change`", "`make approve`"]


def test_a_restore_goes_on_with_itself_and_tells_what_would_be_valid_again(place: Checkout) -> None:
    """In the second life of the environment, whose table was restored itself."""
    name = places.output(place, "local", "data", "TableName")
    assert re.fullmatch(r".*-at-\d{8}T\d{6}Z", name)
    table = writer.store(f"http://127.0.0.1:{place.gateway_port}", "us-east-1", name)
    secret = tokens.make()
    record = new_record(tokens.digest(secret), "short", None)
    table.add(record)
    time.sleep(1)  # a moment is told to the second

    first = as_data(place, "--to", "latest")
    assert (first["table"], first["ended_since"]) == (name, [])
    assert first["restored"].partition("-at-")[0] == name.partition("-at-")[0]
    assert first["set_up"][:2] == ["expiry of items (TTL)", "point-in-time recovery"]
    assert first["kinds"]["token"]["restored"] == first["kinds"]["token"]["live"]

    table.revoke(OPERATOR, record.id, int(time.time()))
    to = first["moment"]
    told = restore(place, "--to", to)
    assert f"{first['restored']} was restored before; going on with it" in told.stderr
    assert "is valid again in the restored table (owner/token: 1, token: 1)" in told.stderr
    assert f"make restore ENV=local TO={to} REVOKE=1" in told.stderr
    assert f'ExistingTable = "{first["restored"]}"' in told.stdout
    # The table is none of the stack's any more: nothing has to be let go.
    assert "REPLACE" not in told.stdout
    assert secret not in told.output
    assert tokens.digest(secret) not in told.output

    done = as_data(place, "--to", to, "--revoke")
    assert (done["seconds"], done["set_up"], done["ended_again"]) == (None, [], True)
    assert {one["id"] for one in done["ended_since"]} == {record.id}
    assert as_data(place, "--to", to)["ended_since"] == []


def test_ctrl_c_leaves_the_restore_running_and_the_same_command_goes_on_with_it(place: Checkout) -> None:
    begun = subprocess.Popen(
        [sys.executable, "-m", "stack", "--project", place.root,
         "restore", "--env", "local", "--to", "latest"],
        cwd=ROOT, env=place.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert begun.stderr is not None
    while not (line := begun.stderr.readline()).startswith("Restoring "):
        assert line, "it ended by itself"
    begun.send_signal(signal.SIGINT)
    out, err = begun.communicate(timeout=120)
    assert (begun.returncode, out) == (130, ""), err
    (to,) = re.findall(r"Go on with it: make restore ENV=local TO=(\S+)", err)
    assert as_data(place, "--to", to)["restored"] in line


def test_lost_stacks_find_their_table_and_key_again(place: Checkout) -> None:
    found = stacks.run(place, 1)
    assert found.written
    assert len(found.known) == len(found.written)
    # Nothing was made anew, and nothing is left over.
    kept = places.api(place, "kms").list_keys()["Keys"]
    assert places.output(place, "local", "data", "KeyArn") in [key["KeyArn"] for key in kept]
    resources = places.api(place, "cloudformation").describe_stack_resources(StackName="echo-room-local-data")
    kinds = {one["ResourceType"] for one in resources["StackResources"]}
    assert not kinds & {"AWS::DynamoDB::GlobalTable", "AWS::KMS::Key"}


def test_when_a_region_is_lost_the_shared_name_leads_to_the_other_which_knows_the_tokens(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    place = Checkout(tmp_path_factory.mktemp("regions"), engine=False)
    # Three failed checks in a row, ten seconds apart, pass in three seconds.
    place.environment["LOCAL_SPEED"] = "10"
    try:
        client = region.prepare(place)
        here = client.leads_to()
        found = region.lose(place, client, 2)
        # What it waited for: an echo with the first token, made in the lost region, is answered by the other.
        assert found.written[0] in found.known
        assert [words for words, _ in found.steps][-1] == "until the token is taken there"
        deadline = time.monotonic() + places.PATIENCE
        while client.leads_to() != here:
            assert time.monotonic() < deadline, "the first region is back, and the name leads elsewhere"
            time.sleep(0.2)
        client.until_taken(found.written[0].token)
    finally:
        place.run("make local-reset YES=1")
