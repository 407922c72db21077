"""A web ACL at work: it judges, counts, keeps samples, and writes its log."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
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
        self._samples: dict[tuple[str, str], deque[_Sample]] = {}

    def refusal(self, acl: dict[str, Any], request: Request) -> Refusal | None:
        """Why the web ACL lets a request not pass, None when it does."""
        verdict = self._judge.judge(acl, request)
        verdict.parts = None
        config, now = acl.get("VisibilityConfig") or {}, time.time()
        terminating = verdict.terminating
        metric = terminating.metric if terminating else config.get("MetricName", acl.get("Name", ""))
        counters.web_acl(acl["ARN"], metric, verdict.action)
        # Once a rule: of a group several may have been counted.
        for counted in {match.metric: match for match in verdict.counted}.values():
            counters.web_acl(acl["ARN"], counted.metric, "Count")
            visible = counted.rule.get("VisibilityConfig") or {}
            self._sample(visible, _Sample(acl, request, verdict, counted, now))
        visible = terminating.rule.get("VisibilityConfig") or {} if terminating else config
        self._sample(visible, _Sample(acl, request, verdict, terminating, now))
        if self._log and "LoggingConfiguration" in acl:
            self._log(acl, request, verdict)
        return verdict.refusal

    def reads_bodies(self, acl: dict[str, Any]) -> bool:
        """Whether a rule of the web ACL looks at bodies."""
        return self._judge.reads_bodies(acl)

    def _sample(self, config: dict[str, Any], sample: _Sample) -> None:
        if config.get("SampledRequestsEnabled"):
            key = sample.acl["ARN"], config["MetricName"]
            self._samples.setdefault(key, deque(maxlen=_MOST_SAMPLES)).append(sample)

    def samples(self, arn: str, metric: str, start: float, end: float) -> list[dict[str, Any]]:
        """The samples of a rule between two times, as GetSampledRequests lists them, the newest first."""
        start = max(start, time.time() - _SAMPLE_SECONDS)
        found = reversed(self._samples.get((arn, metric), ()))
        return [sample.shown() for sample in found if start <= sample.time <= end]


@dataclass(slots=True)
class _Sample:
    acl: dict[str, Any]
    request: Request
    verdict: Verdict
    #: None for the default action.
    match: Match | None
    time: float

    def shown(self) -> dict[str, Any]:
        """As the API lists it, without what must not be shown."""
        request, match, refusal = self.request, self.match, self.verdict.refusal
        may_show = shown(self.acl, request)
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
            "Timestamp": self.time,
            "Action": (match.action if match else self.verdict.action).upper(),
            "Labels": [{"Name": label} for label in request.labels],
        }
        if match and match.within:
            group = match.rule["Statement"]["ManagedRuleGroupStatement"]
            sample["RuleNameWithinRuleGroup"] = f"{group['VendorName']}#{group['Name']}#{match.within}"
        if match and match.overridden:
            sample["OverriddenAction"] = match.overridden.upper()
        if refusal and match is self.verdict.terminating and refusal.body is not None:
            sample["ResponseCodeSent"] = refusal.status
        return sample
