"""What the local cloud's load balancer costs: `POST /echo` through it, next to straight to a task.

    export TOKEN=...  (printed by `make create ENV=local`, which has to run)
    python -m bench.balancer [--seconds 2] [--connections 16] [--rounds 3]

Interleaved rounds in one run; the tables show the median round. A web ACL in front of the load balancer is
taken away for the rounds without it, and put back. Processor time is that of the local cloud's process, and
of the tasks' processes below it (Linux; not of tasks in containers). Where a machine does other things as
well, it says more than rates do.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import boto3
import uvloop

from bench.echo import Round, echo_request, load, print_table


def client(endpoint: str, service: str) -> Any:
    """A client of the local cloud, which checks no credentials."""
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106 - they are none
    )


def targets(endpoint: str) -> tuple[str, tuple[str, int], tuple[str, int]]:
    """ARN of the first load balancer, address of its first listener, and of its first healthy target."""
    elbv2 = client(endpoint, "elbv2")
    for balancer in elbv2.describe_load_balancers()["LoadBalancers"]:
        arn = balancer["LoadBalancerArn"]
        listener = elbv2.describe_listeners(LoadBalancerArn=arn)["Listeners"][0]
        # A rule forwards, not the listener's default action; only the group in use has healthy targets.
        for group in elbv2.describe_target_groups()["TargetGroups"]:
            health = elbv2.describe_target_health(TargetGroupArn=group["TargetGroupArn"])
            for one in health["TargetHealthDescriptions"]:
                if one["TargetHealth"]["State"] == "healthy":
                    target = one["Target"]["Id"], one["Target"]["Port"]
                    return arn, ("127.0.0.1", listener["Port"]), target
    sys.exit(f"No healthy target at {endpoint}. Make an environment first: make create ENV=local")


def guard(endpoint: str, balancer: str) -> str:
    """ARN of the web ACL in front of a load balancer, "" when there is none."""
    found = client(endpoint, "wafv2").get_web_acl_for_resource(ResourceArn=balancer).get("WebACL")
    return str(found["ARN"]) if found else ""


@contextmanager
def unguarded(endpoint: str, balancer: str, web_acl: str) -> Iterator[None]:
    """Without the load balancer's web ACL for as long as this takes."""
    waf = client(endpoint, "wafv2")
    waf.disassociate_web_acl(ResourceArn=balancer)
    try:
        yield
    finally:
        waf.associate_web_acl(ResourceArn=balancer, WebACLArn=web_acl)


def process_id(endpoint: str) -> int:
    """The local cloud's process."""
    with urllib.request.urlopen(f"{endpoint}/_localcloud", timeout=10) as answer:  # noqa: S310 - loopback
        return int(json.load(answer)["pid"])


def processor_time(root: int) -> tuple[float, float]:
    """Seconds used so far by a process, and by all those below it."""
    used, parents = {}, {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # It has ended meanwhile.
        parents[int(entry.name)] = int(fields[1])
        used[int(entry.name)] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def is_below(pid: int) -> bool:
        return pid in parents and (parents[pid] == root or is_below(parents[pid]))

    return used[root], sum(seconds for pid, seconds in used.items() if is_below(pid))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.balancer", description=__doc__.splitlines()[0])
    parser.add_argument("--endpoint", default="http://127.0.0.1:4566", help="the local cloud")
    parser.add_argument("--seconds", type=float, default=2.0, help="per round and way (default 2)")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    token = os.environ.get("TOKEN")
    if not token:
        sys.exit("TOKEN is not set. Use the line that `make create ENV=local` printed: export TOKEN=...")
    balancer, through, direct = targets(options.endpoint)
    web_acl = guard(options.endpoint, balancer)
    ways = {"straight to a task": direct, "through the balancer": through}
    if web_acl:
        ways["without its web ACL"] = through
    request, expected = echo_request(token)
    rounds: dict[str, list[Round]] = {way: [] for way in ways}
    costs: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    cloud = process_id(options.endpoint)
    for number in range(options.rounds + 1):
        for way, (host, port) in ways.items():
            without = unguarded(options.endpoint, balancer, web_acl) if way == "without its web ACL" else None
            with without or nullcontext():
                before = processor_time(cloud)
                seconds = options.seconds if number else min(1.0, options.seconds)  # the first round warms up
                measured = uvloop.run(load(port, request, expected, options.connections, seconds, host))
                after = processor_time(cloud)
            if number:
                rounds[way].append(measured)
                requests = len(measured.latencies)
                cost = [(end - start) / requests * 1e6 for end, start in zip(after, before, strict=True)]
                costs[way].append((cost[0], cost[1]))
    print(f"{options.connections} connections, median of {options.rounds} rounds of {options.seconds:g} s")
    print_table("way", rounds)
    print("\nprocessor time a request, us, and how often that of a task asked directly")
    median = {
        way: [statistics.median(column) for column in zip(*pairs, strict=True)]
        for way, pairs in costs.items()
    }
    alone = median["straight to a task"][1]
    for way, (of_cloud, of_tasks) in median.items():
        # In containers tasks are no processes below the local cloud's.
        ratio = f"{of_cloud / alone:6.1f}" if alone else ""
        print(f"{way:22} local cloud {of_cloud:5.0f} {ratio}   tasks {of_tasks:5.0f}")


if __name__ == "__main__":
    main()
