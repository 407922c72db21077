"""What the local cloud's load balancer costs: `POST /echo` through it, next to straight to a task.

    export TOKEN=...  (printed by `make create ENV=local`, which has to run)
    python -m bench.balancer [--seconds 2] [--connections 16] [--rounds 3]

Interleaved rounds in one run; the tables show the median round. Processor time is that of the local cloud's
process, and of the tasks' processes below it (Linux; not of tasks in containers). Where a machine does other
things as well, it says more than rates do.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import urllib.request
from pathlib import Path

import boto3
import uvloop

from bench.echo import Round, echo_request, load, print_table


def targets(endpoint: str) -> tuple[tuple[str, int], tuple[str, int]]:
    """Address of the first listener, and of its first healthy target."""
    client = boto3.client(
        "elbv2",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106 - the local cloud checks none
    )
    for balancer in client.describe_load_balancers()["LoadBalancers"]:
        listener = client.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"][0]
        # A rule forwards, not the listener's default action; only the group in use has healthy targets.
        for group in client.describe_target_groups()["TargetGroups"]:
            health = client.describe_target_health(TargetGroupArn=group["TargetGroupArn"])
            for one in health["TargetHealthDescriptions"]:
                if one["TargetHealth"]["State"] == "healthy":
                    return ("127.0.0.1", listener["Port"]), (one["Target"]["Id"], one["Target"]["Port"])
    sys.exit(f"No healthy target at {endpoint}. Make an environment first: make create ENV=local")


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
    through, direct = targets(options.endpoint)
    request, expected = echo_request(token)
    rounds: dict[str, list[Round]] = {"straight to a task": [], "through the balancer": []}
    costs: dict[str, list[tuple[float, float]]] = {way: [] for way in rounds}
    cloud = process_id(options.endpoint)
    for number in range(options.rounds + 1):
        for (host, port), way in zip((direct, through), rounds, strict=True):
            before = processor_time(cloud)
            seconds = options.seconds if number else min(1.0, options.seconds)  # the first round warms up
            measured = uvloop.run(load(port, request, expected, options.connections, seconds, host))
            if number:
                rounds[way].append(measured)
                used = zip(processor_time(cloud), before, strict=True)
                balancer, tasks = ((after - start) / len(measured.latencies) * 1e6 for after, start in used)
                costs[way].append((balancer, tasks))
    print(f"{options.connections} connections, median of {options.rounds} rounds of {options.seconds:g} s")
    print_table("way", rounds)
    print("\nprocessor time a request, us")
    for way, pairs in costs.items():
        balancer, tasks = (statistics.median(column) for column in zip(*pairs, strict=True))
        print(f"{way:22} local cloud {balancer:5.0f}   tasks {tasks:5.0f}")


if __name__ == "__main__":
    main()
