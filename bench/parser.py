"""What parsing one request costs: the service's own parser next to gunicorn's.

    python -m bench.parser [--rounds 5]

CPU time, so that what else runs on the machine counts little; the table shows the best round. The request is
one as a load balancer passes it on.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from gunicorn.asgi.parser import CallbackRequest, PythonProtocol

from app.connection.parser import RequestParser

REQUEST = (
    b"POST /echo HTTP/1.1\r\nX-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n"
    b"X-Forwarded-Port: 443\r\nHost: echo.example\r\n"
    b"X-Amzn-Trace-Id: Root=1-67891233-abcdef012345678912345678\r\n"
    b"Authorization: Bearer echo_0123456789abcdefghijABCDEFGHIJ012345678\r\nUser-Agent: curl/8.14.1\r\n"
    b"Accept: */*\r\nContent-Type: application/json\r\nContent-Length: 28\r\n\r\n"
    b'{"str": "Hello, Echo Room!"}'
)
_REQUESTS = 5000


def gunicorns() -> Callable[[], None]:
    """A function that parses the request with gunicorn's pure-Python parser."""
    parser = PythonProtocol(
        on_headers_complete=lambda: False, on_body=lambda _: None, on_message_complete=lambda: None
    )

    def parse() -> None:
        parser.feed(REQUEST)
        CallbackRequest.from_parser(parser)
        parser.reset()

    return parse


def own() -> Callable[[], None]:
    """A function that parses it with the service's own."""
    parser = RequestParser("http", lambda _: None, lambda _: None, lambda: None)

    def parse() -> None:
        parser.feed(REQUEST)
        parser.go_on()

    return parse


def microseconds(parse: Callable[[], None]) -> float:
    """CPU time of one request."""
    begun = time.process_time()
    for _ in range(_REQUESTS):
        parse()
    return (time.process_time() - begun) / _REQUESTS * 1e6


def main() -> None:
    """Measure both in turns, and print the table."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--rounds", type=int, default=5)
    rounds = options.parse_args().rounds
    parsers = {"gunicorn's, in Python": gunicorns(), "the service's own": own()}
    found: dict[str, list[float]] = {name: [] for name in parsers}
    for _ in range(rounds):
        for name, parse in parsers.items():
            found[name].append(microseconds(parse))
    print(f"{'parser':24}{'µs a request':>14}")
    for name, times in found.items():
        print(f"{name:24}{min(times):14.1f}")


if __name__ == "__main__":
    main()
