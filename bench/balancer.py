"""What the local cloud's load balancer costs: `POST /echo` through it, next to straight to a task.

    export TOKEN=...  (printed by `make create ENV=local`, which has to run)
    python -m bench.balancer [--seconds 2] [--connections 16] [--rounds 3]

Interleaved rounds in one run; the table shows the median round.
"""

from __future__ import annotations

import argparse
import os
import sys

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
    for number in range(options.rounds + 1):
        for (host, port), results in zip((direct, through), rounds.values(), strict=True):
            seconds = options.seconds if number else min(1.0, options.seconds)  # the first round warms up
            measured = uvloop.run(load(port, request, expected, options.connections, seconds, host))
            if number:
                results.append(measured)
    print(f"{options.connections} connections, median of {options.rounds} rounds of {options.seconds:g} s")
    print_table("way", rounds)


if __name__ == "__main__":
    main()
