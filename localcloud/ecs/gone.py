"""Clusters that were deleted: for a while DescribeClusters still tells of them, as INACTIVE."""

from __future__ import annotations

import json
import time
from typing import Any

from localcloud import emulator
from localcloud.ecs.records import Record, ecs

#: How long a deleted cluster is known; AWS only says "for a period of time". None survives a restart.
_KEPT_SECONDS = 3600.0


def install() -> None:
    """Remember what DeleteCluster deletes, and tell of it."""
    module = ecs()
    delete, describe = module._delete_cluster, module._describe_clusters
    gone: dict[tuple[str, str, str], tuple[float, Record]] = {}

    def key(reference: str) -> tuple[str, str, str]:
        responses = emulator.module("core.responses")
        name = str(module._resolve_cluster_name(reference))
        return responses.get_account_id(), responses.get_region(), name

    def deleting(data: Record) -> Any:
        answer = delete(data)
        if answer[0] == 200:
            counts = dict.fromkeys(("runningTasksCount", "pendingTasksCount", "activeServicesCount"), 0)
            cluster = {**json.loads(answer[2])["cluster"], **counts}
            gone[key(cluster["clusterName"])] = (time.monotonic(), cluster)
        return answer

    def describing(data: Record) -> Any:
        answer = describe(data)
        if answer[0] != 200:
            return answer
        for known in [one for one, (since, _) in gone.items() if time.monotonic() - since > _KEPT_SECONDS]:
            del gone[known]
        body = json.loads(answer[2])
        missing = []
        for failure in body["failures"]:
            if failure["reason"] == "MISSING" and (found := gone.get(key(failure["arn"]))):
                body["clusters"].append(module._cluster_view(found[1], set(data.get("include", []))))
            else:
                missing.append(failure)
        return module.json_response({**body, "failures": missing})

    for name, handler in (("DeleteCluster", deleting), ("DescribeClusters", describing)):
        module._ACTION_MAP[name] = handler
    module._delete_cluster, module._describe_clusters = deleting, describing
