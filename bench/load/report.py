"""The report: Locust's own page, which holds everything it needs, with the verdict above it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

from locust.env import Environment
from locust.html import get_html_report

from bench.load.profiles import PROFILES

_STYLE = """<style>
  #verdict { font: 16px/1.5 system-ui, sans-serif; margin: 24px auto; max-width: 1200px; padding: 0 24px }
  #verdict th, #verdict td { padding: 2px 24px 2px 0; text-align: left }
  #verdict .broken { color: #b00020; font-weight: bold }
</style>"""


def point(view: dict[str, Any], users: int) -> dict[str, Any]:
    """A point of the plots: Locust's own would be about ten seconds that ended two seconds ago."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    values = {
        "current_rps": view["rate"],
        "current_fail_per_sec": view["failing"],
        "user_count": users,
        **{f"response_time_percentile_{p / 100:g}": view[f"p{p}"] for p in (50, 95, 99)},
    }
    return {name: [now, value] for name, value in values.items()} | {"time": now}


def write(path: Path, environment: Environment, config: dict[str, Any], result: dict[str, Any]) -> None:
    """Write the page to `path`."""
    environment.locustfile = f"profile {config['profile']}: {PROFILES[config['profile']].description}"
    page = get_html_report(environment, show_download_link=False)
    # Icons that are nowhere.
    page = re.sub(r'<link rel="shortcut icon"[^>]*>\s*', "", page)
    title = escape(f"Load: {config['environment']}, {config['profile']}")
    page = page.replace("<title>Locust</title>", f"<title>{title}</title>", 1)
    path.write_text(page.replace("<body>", f"<body>\n{_verdict(title, config, result)}", 1), encoding="utf-8")


def _verdict(title: str, config: dict[str, Any], result: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr{'' if one['kept'] else ' class=broken'}><td>{escape(one['name'])}</td>"
        f"<td>{escape(one['objective'])}</td><td>{one['measured']:g} %</td>"
        f"<td>{'kept' if one['kept'] else 'broken'}</td></tr>"
        for one in result["objectives"]
    )
    reasons = "".join(f"<li>{count} &times; {escape(what)}</li>" for what, count in result["reasons"].items())
    cut = "; interrupted, so this is about the time until then" if result["interrupted"] else ""
    fault = f", with the fault {config['fault']}" if config["fault"] else ""
    return f"""{_STYLE}
<section id="verdict">
<h1>{title}</h1>
<p>{escape(config["url"])}: {result["requests"]} of {result["planned"]} requests, at most {config["rate"]:g} a
second, over {config["seconds"]:g} s{escape(fault)}{cut}.</p>
<table><tr><th>objective</th><th>asks for</th><th>measured</th><th></th></tr>{rows}</table>
<ul>{reasons}</ul>
</section>"""
