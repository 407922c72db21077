from __future__ import annotations

import json


def test_nothing_to_change_is_a_success_and_leaves_nothing(created):
    done = created.do("change", "--name", "none", "--runtime", "process")
    assert done.exit_code == 0, done.output
    assert "Nothing to change" in done.stdout
    for stack in ("registry", "data", "service"):
        sets = created.client("cloudformation").list_change_sets(StackName=created.stack(stack))["Summaries"]
        assert "none" not in [one["ChangeSetName"] for one in sets]


def test_change_shows_before_and_after_and_approve_does_it(created):
    created.edit("data", "[one, two]", "[one, two]}  #")
    created.edit("data", "}  #", "")
    created.file.write_text(created.file.read_text().replace('Mode = "one"', 'Mode = "two"'))
    shown = created.do("change", "--name", "mode", "--runtime", "process", "--json")
    assert shown.exit_code == 0, shown.output
    found = json.loads(shown.stdout)
    assert list(found["change_sets"]) == ["data"]
    (row,) = found["changes"]
    assert (row["logical_id"], row["property"]) == ("Topic", "DisplayName")
    assert (row["before"], row["after"]) == ("mode one", "mode two")
    assert row["replacement"] == "no"
    assert row["cause"] == "parameter Mode"
    done = created.do("approve", "--name", "mode")
    assert done.exit_code == 0, done.output
    assert "Topic: News, updated" in done.stderr
    assert created.statuses()["data"] == "UPDATE_COMPLETE"
    again = created.do("approve", "--name", "mode")
    assert again.exit_code == 3
    assert "Nothing was done" in again.stderr


def test_a_new_output_reaches_later_stacks_with_a_second_change(created):
    created.edit("data", "Outputs:", "Outputs:\n  Extra: {Value: none}")
    created.edit(
        "service",
        "  TableName: {Type: String}",
        "  TableName: {Type: String}\n  Extra: {Type: String, Default: x}",
    )
    created.edit("service", "on ${TableName}", "on ${TableName} ${Extra}")
    created.file.write_text(created.file.read_text().replace('Mode = "one"', 'Mode = "two"'))
    first = created.do("change", "--name", "one", "--runtime", "process")
    assert "Extra is a new output of data" in first.stderr
    stopped = created.do("approve", "--name", "one")
    assert stopped.exit_code == 3, stopped.output
    assert "Stopped before" in stopped.stderr
    assert "Extra changed with the stacks before it" in stopped.stderr
    second = created.do("change", "--name", "two", "--runtime", "process", "--json")
    assert "is a new output" not in second.stderr
    (row,) = json.loads(second.stdout)["changes"]
    assert row["after"].endswith(" none"), "the value none is one like any other"
    assert created.do("approve", "--name", "two").exit_code == 0


def test_an_output_that_became_another_is_to_be_passed_on(created):
    created.edit("service", "Parameters:\n", "Parameters:\n  Word: {Type: String, Default: x}\n")
    created.edit("service", "on ${TableName}", "on ${TableName} ${Word}")
    created.edit("data", "Outputs:", "Outputs:\n  Word: {Value: !Ref Mode}")
    created.file.write_text(created.file.read_text().replace('Mode = "one"', 'Mode = "two"'))
    for name in ("first", "second"):
        assert created.do("change", "--name", name, "--runtime", "process").exit_code == 0
        created.do("approve", "--name", name)
    created.file.write_text(created.file.read_text().replace('Mode = "two"', 'Mode = "one"'))
    assert created.do("change", "--name", "third", "--runtime", "process").exit_code == 0
    done = created.do("approve", "--name", "third")
    assert done.exit_code == 0, done.output
    assert "Word of data is another now; pass it on to service: make change" in done.stderr
    assert created.do("change", "--name", "fourth", "--runtime", "process").exit_code == 0
    last = created.do("approve", "--name", "fourth")
    assert last.exit_code == 0, last.output
    assert "is another now" not in last.stderr


def test_what_a_later_stack_uses_is_not_removed_under_it(created):
    with_topic = "Outputs:\n  TopicArn: {Value: !Ref Topic}"
    created.edit("data", "Outputs:", with_topic)
    created.edit("service", "Parameters:\n", "Parameters:\n  TopicArn: {Type: String, Default: none}\n")
    created.edit("service", "on ${TableName}", "on ${TableName} ${TopicArn}")
    created.file.write_text(created.file.read_text().replace('Mode = "one"', 'Mode = "two"'))
    for name in ("output", "parameter"):
        assert created.do("change", "--name", name, "--runtime", "process").exit_code == 0
        created.do("approve", "--name", name)
    whole = created.template("data").read_text()
    start, end = whole.index("  Topic:\n"), whole.index("  Setting:")
    without = (whole[:start] + whole[end:]).replace("{Value: !Ref Topic}", "{Value: none}")
    created.template("data").write_text(without)
    shown = created.do("change", "--name", "drop", "--runtime", "process")
    assert "data.Topic is used by service, as TopicArn, and would go" in shown.stderr
    refused = created.do("approve", "--name", "drop")
    assert refused.exit_code == 3, refused.output
    assert "data.Topic is used by service, as TopicArn" in refused.stderr
    assert "TopicArn in [parameters.service]" in refused.stderr
    assert created.do("reject", "--name", "drop").exit_code == 0
    # The way out that it names.
    created.template("data").write_text(whole)
    created.append('[parameters.service]\nTopicArn = "none"\n')
    for name, text in (("let-go", whole), ("drop-it", without)):
        created.template("data").write_text(text)
        assert created.do("change", "--name", name, "--runtime", "process").exit_code == 0
        done = created.do("approve", "--name", name)
        assert done.exit_code == 0, done.output
    left = created.client("cloudformation").list_stack_resources(StackName=created.stack("data"))
    assert "Topic" not in [one["LogicalResourceId"] for one in left["StackResourceSummaries"]]


def test_new_code_makes_a_new_image_and_changes_only_the_service(created):
    (created.root / "app" / "main.py").write_text("print('another')\n")
    done = created.do("change", "--name", "code", "--runtime", "process", "--json")
    assert done.exit_code == 0, done.output
    assert "building and pushing" in done.stderr
    found = json.loads(done.stdout)
    assert list(found["change_sets"]) == ["service"]
    (row,) = found["changes"]
    assert (row["logical_id"], row["property"], row["cause"]) == ("Running", "Value", "parameter Image")
    assert row["before"] != row["after"]
    assert created.do("approve", "--name", "code").exit_code == 0


def test_secrets_are_never_printed(created):
    created.edit("data", "Default: secret-one", "Default: secret-two")
    done = created.do("change", "--name", "secret", "--runtime", "process")
    assert done.exit_code == 0, done.output
    assert "Setting" in done.stdout
    assert "secret-" not in done.output


def test_replacing_data_needs_its_name(created):
    created.append('Key = "other"\n')
    shown = created.do("change", "--name", "key", "--runtime", "process")
    assert shown.exit_code == 0, shown.output
    assert "REPLACE=Table" in shown.stderr
    refused = created.do("approve", "--name", "key", "--yes")
    assert refused.exit_code == 3, refused.output
    assert "may replace data.Table (AWS::DynamoDB::Table)" in refused.stderr
    assert created.statuses()["data"] == "CREATE_COMPLETE"
    wrong = created.do("approve", "--name", "key", "--replace", "Tabel")
    assert wrong.exit_code == 2
    assert 'did you mean "Table"' in wrong.stderr
    assert created.statuses()["data"] == "CREATE_COMPLETE"
    done = created.do("approve", "--name", "key", "--replace", "Table")
    assert done.exit_code == 0, done.output
    assert created.statuses()["data"] == "UPDATE_COMPLETE"


def test_removing_a_table_needs_its_name(created):
    text = created.template("data").read_text()
    start, end = text.index("  Table:"), text.index("  Topic:")
    created.template("data").write_text(text[:start] + text[end:].replace("!Ref Table", "gone"))
    assert created.do("change", "--name", "drop", "--runtime", "process").exit_code == 0
    refused = created.do("approve", "--name", "drop")
    assert refused.exit_code == 3, refused.output
    assert "removes data.Table" in refused.stderr


def test_a_stale_change_set_is_refused(created):
    created.file.write_text(created.file.read_text().replace('Mode = "one"', 'Mode = "two"'))
    assert created.do("change", "--name", "late", "--runtime", "process").exit_code == 0
    cloudformation = created.client("cloudformation")
    cloudformation.update_stack(
        StackName=created.stack("data"),
        UsePreviousTemplate=True,
        Tags=[{"Key": "meanwhile", "Value": "changed"}],
    )
    cloudformation.get_waiter("stack_update_complete").wait(
        StackName=created.stack("data"), WaiterConfig={"Delay": 1}
    )
    refused = created.do("approve", "--name", "late")
    assert refused.exit_code == 3, refused.output
    assert "is stale" in refused.stderr
    topics = created.client("cloudformation").describe_stacks(StackName=created.stack("data"))["Stacks"][0]
    assert {"Key": "meanwhile", "Value": "changed"} in topics["Tags"]


def test_a_taken_name_is_refused_and_can_be_dropped(created):
    created.file.write_text(created.file.read_text().replace('Mode = "one"', 'Mode = "two"'))
    assert created.do("change", "--name", "twice", "--runtime", "process").exit_code == 0
    again = created.do("change", "--name", "twice", "--runtime", "process")
    assert again.exit_code == 3
    assert "There is a change set twice already, for data" in again.stderr
    assert json.loads(created.do("status", "--json").stdout)["stacks"][1]["waiting"] == ["twice"]
    assert created.do("reject", "--name", "twice").exit_code == 0
    assert created.do("reject", "--name", "twice").exit_code == 3
    assert created.do("change", "--name", "twice", "--runtime", "process").exit_code == 0


def test_a_review_that_fails_half_way_leaves_no_change_set(created):
    created.edit("registry", "{ImageTagMutability: IMMUTABLE}", "{ImageTagMutability: MUTABLE}")
    created.edit("service", "'^.+@sha256:[0-9a-f]{64}$'", "'^never$'")
    done = created.do("change", "--name", "half", "--runtime", "process")
    assert done.exit_code == 1, done.output
    assert "Image" in done.stderr
    sets = created.client("cloudformation").list_change_sets(StackName=created.stack("registry"))["Summaries"]
    assert "half" not in [one["ChangeSetName"] for one in sets]


def test_a_failed_update_is_rolled_back_with_a_verdict(created):
    taken = f"/taken/{created.env}"
    created.client("ssm").put_parameter(Name=taken, Value="x", Type="String")
    created.edit("data", "Value: !Ref Password", f"Name: {taken}, Value: !Ref Password")
    assert created.do("change", "--name", "bad", "--runtime", "process").exit_code == 0
    failed = created.do("approve", "--name", "bad")
    assert failed.exit_code == 1, failed.output
    assert created.statuses()["data"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "Setting (SSM parameter) of" in failed.stdout
    verdict = json.loads(created.do("last-update-failure", "--json").stdout)
    assert verdict["logical_id"] == "Setting"
    assert verdict["status"] == "UPDATE_ROLLBACK_COMPLETE"
    assert verdict["cause"] in failed.stdout
    (created.root / ".state" / created.env / "last-update-failure.json").unlink()
    from_events = json.loads(created.do("last-update-failure", "--json").stdout)
    assert from_events["cause"] == verdict["cause"]
    assert "No failed create" in created.do("last-create-failure").stderr
