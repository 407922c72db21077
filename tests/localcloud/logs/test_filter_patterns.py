"""Filter patterns as the CloudWatch Logs user guide describes them; most cases are its own examples."""

from __future__ import annotations

import json

import pytest

from localcloud.logs.patterns import PatternError, parse

ERRORS = {
    400: "[ERROR 400] BAD REQUEST",
    401: "[ERROR 401] UNAUTHORIZED REQUEST",
    419: "[ERROR 419] MISSING ARGUMENTS",
    420: "[ERROR 420] INVALID ARGUMENTS",
    500: "[ERROR 500] INTERNAL SERVER ERROR",
    200: "[SUCCESS 200] AUTHORIZED REQUEST",
}

TRAIL = json.dumps({
    "eventType": "UpdateTrail", "sourceIPAddress": "111.111.111.111", "arrayKey": ["value", "another value"],
    "objectList": [{"name": "a", "id": 1}, {"name": "b", "id": 2}], "SomeObject": None, "ThisFlag": True,
    "cluster.name": "c", "number": [1000, 0.5], "latency": 50, "errorCode": 404, "account": "123456789012",
})  # fmt: skip

USERS = json.dumps({
    "user": {"id": 1, "email": "John.Stiles@example.com"},
    "users": [{"id": 2, "email": "John.Doe@example.com"}, {"id": 3, "email": "Jane.Doe@example.com"}],
    "actions": ["GET", "PUT", "DELETE"], "coordinates": [[0, 1, 2], [4, 5, 6], [7, 8, 9]],
})  # fmt: skip

APACHE = '127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534'


def matches(pattern: str, message: str) -> bool:
    return parse(pattern).match(message) is not None


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("", {200, 400, 401, 419, 420, 500}),
        ('" "', {200, 400, 401, 419, 420, 500}),
        ("ERROR", {400, 401, 419, 420, 500}),
        ("error", set()),
        ("ERROR ARGUMENTS", {419, 420}),
        ("?SUCCESS ?ARGUMENTS", {200, 419, 420}),
        ("?SUCCESS ?ARGUMENTS REQUEST", {200, 400, 401}),
        ("?ERROR -REQUEST", {419, 420, 500}),
        ('"INTERNAL SERVER ERROR"', {500}),
        ("ERROR -ARGUMENTS", {400, 401, 500}),
        ('-"BAD REQUEST" -"MISSING ARGUMENTS"', {200, 401, 420, 500}),
        ("%AUTHORIZED%", {200, 401}),
        (r"%4[0-9]{2}\]%", {400, 401, 419, 420}),
        (r"%\[ERROR 4\d\d|SUCCESS%", {200, 400, 401, 419, 420}),
        (r"%\x5BERROR 5%", {500}),
    ],
)
def test_terms(pattern: str, expected: set[int]) -> None:
    assert {status for status, line in ERRORS.items() if matches(pattern, line)} == expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ('{ $.eventType = "UpdateTrail" }', True),
        ("{ $.eventType = UpdateTrail }", True),
        ("{$.eventType=UpdateTrail}", True),
        ("{ $.eventType = updatetrail }", False),
        ('{ $.eventType != "UpdateTrail" }', False),
        ("{ $.sourceIPAddress != 123.123.* }", True),
        ("{ $.sourceIPAddress = 111.111.* }", True),
        ('{ $.eventType = "*Trail" }', True),
        ('{ $.eventType = "*ateTr*" }', True),
        ('{ $.eventType = "Up*Trail" }', False),
        ("{ $.eventType = %Trail% }", True),
        ("{ $.eventType = %^Trail% }", False),
        ('{ $.arrayKey[0] = "value" }', True),
        ('{ $.arrayKey[1] = "value" }', False),
        ('{ $.arrayKey[7] = "value" }', False),
        ("{ $.arrayKey[*] = %val.{2}% }", True),
        ('{ $.arrayKey = "value" }', False),
        ('{ $.arrayKey != "value" }', False),
        ("{ $.objectList[1].id = 2 }", True),
        ('{ $.objectList[*].name = "b" }', True),
        (r"{ $.* = %111\.111\.111\.1[0-9]{1,2}% }", True),
        ("{ $.['cluster.name'] = \"c\" }", True),
        ("{ $.SomeObject IS NULL }", True),
        ("{ $.eventType IS NULL }", False),
        ("{ $.SomeOtherObject IS NULL }", False),
        ("{ $.ThisFlag IS TRUE }", True),
        ("{ $.ThisFlag IS FALSE }", False),
        ("{ $.SomeOtherObject NOT EXISTS }", True),
        ("{ $.SomeObject NOT EXISTS }", False),
        ("{ $.latency = * }", True),
        ("{ $.SomeObject = * }", False),
        # What AWS answers, although its guide does not say so: a field that is missing differs from nothing.
        ('{ $.SomeOtherObject != "x" }', False),
        ("{ $.latency > 49.5 }", True),
        ("{ $.latency >= 50 && $.latency <= 50 }", True),
        ("{ $.latency < 50 }", False),
        ("{ $.latency > -1 }", True),
        ("{ $.number[0] = 1e+3 }", True),
        ("{ $.number[1] != 5e-1 }", False),
        ("{ $.errorCode = 4* }", True),
        ("{ $.errorCode != 404 }", False),
        ("{ $.account = 123456789012 }", True),
        ("{ $.eventType > 5 }", False),
    ],
)
def test_one_condition_on_json(pattern: str, expected: bool) -> None:
    assert matches(pattern, TRAIL) is expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ('{ ($.user.id = 1) && ($.users[0].email = "John.Doe@example.com") }', True),
        ('{ ($.user.id = 2 && $.users[0].email = "nonmatch") || $.actions[2] = "GET" }', False),
        ('{ $.user.email = "John.S*" || $.coordinates[0][1] = nonmatch && $.actions[2] = nomatch }',
         True),
        ('{ ($.user.email = "John.S*" || $.coordinates[0][1] = nonmatch) && $.actions[2] = nomatch }',
         False),
        ("{ ((($.coordinates[0][1] = 1))) }", True),
    ],
)  # fmt: skip
def test_compound_conditions_on_json(pattern: str, expected: bool) -> None:
    assert matches(pattern, USERS) is expected


@pytest.mark.parametrize("line", ["", "no JSON", '"text"', "{broken", '{"latency": NaN}', "[" * 100_000])
def test_what_is_no_json_never_matches(line: str) -> None:
    assert not matches("{ $.latency = * }", line)
    assert not matches("{ $.latency NOT EXISTS }", line)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (
            r"[ip=%127\.0\.0\.[1-9]%, user, username, timestamp, request =*.html*, status_code = 4*, bytes]",
            True,
        ),
        (
            "[ip, user, username, timestamp, request, status_code = 404 || status_code = 410, bytes]",
            True,
        ),
        ("[ip, user, username, timestamp, request, status_code = 4* && status_code != 404, bytes]", False),
        ("[..., request =*.html*, status_code = 4*, bytes]", True),
        ("[..., status_code = 4*, bytes > 1534]", False),
        ("[ip, user = Prod, ...]", True),
        ("[ip, ..., bytes >= 1e3]", True),
        ("[ip, user, username, timestamp, request, status_code, bytes, more]", False),
        ("[w1=127.0.0.1, w2]", True),
        ("[w1!=127.0.0.1 && w1!=127.0.0.2, w2]", False),
    ],
)
def test_columns(pattern: str, expected: bool) -> None:
    assert matches(pattern, APACHE) is expected


def test_fields_of_columns_are_named_or_numbered() -> None:
    assert parse("[..., request=*.html*, status_code=4*,]").match(APACHE) == {
        "$1": "127.0.0.1", "$2": "Prod", "$3": "frank", "$4": "10/Oct/2000:13:25:15 -0700",
        "$request": "GET /index.html HTTP/1.0", "$status_code": "404", "$7": "1534",
    }  # fmt: skip


def test_the_last_column_takes_the_rest_of_the_line() -> None:
    assert parse("[time, level=ERROR, message]").match('12:00 ERROR a "b c" d\n') == {
        "$time": "12:00", "$level": "ERROR", "$message": 'a "b c" d',
    }  # fmt: skip


def test_fields_of_json_are_those_the_pattern_asks_about() -> None:
    pattern = parse("{ $.latency = * && $.arrayKey NOT EXISTS || $.errorCode = 4* }")
    assert pattern.match(TRAIL) == {"$.latency": "50", "$.errorCode": "404"}


def test_a_value_for_a_metric() -> None:
    assert parse("{ $.latency = * }").field(TRAIL, "$.number[1]") == "0.5"
    assert parse("{ $.latency = * }").field(TRAIL, "$.nothing") is None
    assert parse("{ $.latency = * }").field(TRAIL, "$.arrayKey") is None
    assert parse("[..., bytes]").field(APACHE, "$bytes") == "1534"
    assert parse("[..., bytes]").field(APACHE, "$status") is None
    assert parse("ERROR").field("ERROR", "$.latency") is None


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("timed.out", "Invalid character(s) in term 'timed.out'"),
        ('"open', "Invalid character(s) in term '\"open'"),
        ("x" * 1025, "1024 are allowed"),
        ("%something!%", "'!', which is not supported"),
        ("%(alpha|beta)%", "'(', which is not supported"),
        ("%ü%", "'ü', which is not supported"),
        (r"%\bword%", r"'\\', which is not supported"),
        ("%[open%", "not valid"),
        ("{ $.a = 1", "no closing brace"),
        ("{ }", "at its end"),
        ("{ $.a }", "at its end"),
        ("{ $.a = }", "at its end"),
        ("{ a = 1 }", "at 'a'"),
        ("{ $.a = 1 $.b = 2 }", "at '$.b'"),
        ("{ ($.a = 1 }", "at its end"),
        ("{ $.a = 1) }", "at ')'"),
        ("{ $.a = /echo }", "'/echo'"),
        ("{ $.a > high }", "> needs a number, not 'high'"),
        ('{ $.a >= "5" }', ">= needs a number"),
        ("{ $.a IS NOT NULL }", "'IS NOT'"),
        ("{ $.a EXISTS }", "at its end"),
        ("{ $.*.b.* = 1 }", "at most one wildcard"),
        ("{ $.a[*] = 1 && $.* = 1 && $.b[*] = 1 && $.c[*] = 1 }", "at most 3 wildcard selectors"),
        ("{ $.a = %x% && $.b = %y% && $.c = %z% }", "at most 2 regular expressions"),
        ("[a, b", "no closing bracket"),
        ("[..., a, ...]", "more than one ..."),
        ("[a=1 && b=2, c]", "a condition on b in the column a"),
        ("[a b]", "at 'b'"),
        ("[$.a]", "at '$.a'"),
    ],
)  # fmt: skip
def test_what_is_no_pattern(pattern: str, why: str) -> None:
    with pytest.raises(PatternError) as error:
        parse(pattern)
    assert why in str(error.value)
