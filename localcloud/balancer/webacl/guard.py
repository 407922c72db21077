"""A web ACL at work: it judges, counts, keeps samples, and writes its log."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from localcloud.balancer.webacl.judge import Judge, Match, Refusal, Verdict
from localcloud.balancer.webacl.protection import shown
from localcloud.balancer.webacl.request import Request
from localcloud.metrics import counters

#: Samples of one rule that are kept; AWS keeps them for three hours.
_MOST_SAMPLES = 100
_SAMPLE_SECONDS = 3 * 3600


class Guard:
    """All web ACLs of this local cloud. `log` gets each request with what was decided, where it is wanted."""

    def __init__(
        self,
        ip_sets: Callable[[str], list[str]],
        log: Callable[[dict[str, Any], Request, Verdict], None] | None = None,
    ) -> None:
        self._judge, self._log = Judge(ip_sets), log
        self._samples: dict[tuple[str, str], deque[dict[str, Any]]] = {}

    def refusal(self, acl: dict[str, Any], request: Request) -> Refusal | None:
        """Why the web ACL lets a request not pass, None when it does."""
        verdict = self._judge.judge(acl, request)
        config = acl.get("VisibilityConfig") or {}
        terminating = verdict.terminating
        metric = terminating.metric if terminating else config.get("MetricName", acl.get("Name", ""))
        counters.web_acl(acl["ARN"], metric, verdict.action)
        # Once a rule: of a group several may have been counted.
        for counted in {match.metric: match for match in verdict.counted}.values():
            counters.web_acl(acl["ARN"], counted.metric, "Count")
            self._sample(acl, request, counted, counted.rule.get("VisibilityConfig") or {}, verdict)
        visible = terminating.rule.get("VisibilityConfig") or {} if terminating else config
        self._sample(acl, request, terminating, visible, verdict)
        if self._log and "LoggingConfiguration" in acl:
            self._log(acl, request, verdict)
        return verdict.refusal

    def _sample(
        self,
        acl: dict[str, Any],
        request: Request,
        match: Match | None,
        config: dict[str, Any],
        verdict: Verdict,
    ) -> None:
        if not config.get("SampledRequestsEnabled"):
            return
        samples = self._samples.setdefault((acl["ARN"], config["MetricName"]), deque(maxlen=_MOST_SAMPLES))
        may_show = shown(acl, request)
        sample = {
            "Request": {
                "ClientIP": request.client,
                "Country": "-",
                "URI": may_show.uri + (f"?{may_show.query}" if may_show.query else ""),
                "Method": may_show.method,
                "HTTPVersion": request.head.first[2].decode("latin-1"),
                "Headers": [{"Name": name, "Value": value} for name, value in may_show.headers],
            },
            "Weight": 1,
            "Timestamp": time.time(),
            "Action": (match.action if match else verdict.action).upper(),
            "Labels": [{"Name": label} for label in request.labels],
        }
        if match and match.within:
            group = match.rule["Statement"]["ManagedRuleGroupStatement"]
            sample["RuleNameWithinRuleGroup"] = f"{group['VendorName']}#{group['Name']}#{match.within}"
        if match and match.overridden:
            sample["OverriddenAction"] = match.overridden.upper()
        if verdict.refusal and match is verdict.terminating and verdict.refusal.status != 403:
            sample["ResponseCodeSent"] = verdict.refusal.status
        samples.append(sample)

    def samples(self, arn: str, metric: str, start: float, end: float) -> list[dict[str, Any]]:
        """The samples of a rule between two times, as GetSampledRequests lists them, the newest first."""
        start = max(start, time.time() - _SAMPLE_SECONDS)
        return [
            one for one in reversed(self._samples.get((arn, metric), ())) if start <= one["Timestamp"] <= end
        ]
