"""Web ACLs made of statements, and what they say of a request."""

from __future__ import annotations

from typing import Any

from localcloud.balancer.http import Head
from localcloud.balancer.webacl import Judge, Request, Verdict, managed


def statement(kind: str, field: dict[str, Any], *steps: str, **more: Any) -> dict[str, Any]:
    steps = steps or ("NONE",)
    changes = [{"Priority": number, "Type": step} for number, step in enumerate(steps)]
    return {kind: {"FieldToMatch": field, "TextTransformations": changes, **more}}


def acl(*statements: dict[str, Any], **more: Any) -> dict[str, Any]:
    rules = [
        {"Name": f"rule{number}", "Priority": number, "Statement": one, "Action": {"Block": {}}, **more}
        for number, one in enumerate(statements)
    ]
    return {"ARN": "acl", "Name": "acl", "Rules": rules, "DefaultAction": {"Allow": {}}}


def group(name: str = managed.COMMON, **more: Any) -> dict[str, Any]:
    return {"ManagedRuleGroupStatement": {"VendorName": "AWS", "Name": name, **more}}


def judged(web_acl: dict[str, Any], target: str = "/", body: bytes = b"", **more: Any) -> Verdict:
    fields = [
        (name.replace("_", "-").encode(), value.encode()) for name, value in more.pop("headers", {}).items()
    ]
    head = Head((more.pop("method", "POST").encode(), target.encode(), b"HTTP/1.1"), fields)
    return Judge(lambda _: []).judge(web_acl, Request(head, "127.0.0.1", body, **more))


def within(verdict: Verdict) -> str:
    """The managed rule that blocked, "" when none did."""
    return verdict.terminating.within if verdict.terminating else ""
