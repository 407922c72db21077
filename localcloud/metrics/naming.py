"""What metrics are called, and the labels that their series get in answers.

Sources: "Use dynamic labels" and "Use search expressions in graphs", Amazon CloudWatch user guide.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_DYNAMIC = re.compile(r"\$\{(?:(LABEL)|PROP\('(MetricName|Namespace|Dim\.[^']+)'\))\}")


@dataclass(frozen=True)
class MetricName:
    """A metric's whole name."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]

    def property(self, of: str) -> str | None:
        """`MetricName`, `Namespace`, or the value of the dimension of that name; None if it has none."""
        return {"MetricName": self.name, "Namespace": self.namespace}.get(of, self.dimensions.get(of))

    def order(self) -> tuple[str, ...]:
        """By what metrics are listed one behind the other."""
        return (
            self.namespace,
            self.name,
            *(part for pair in sorted(self.dimensions.items()) for part in pair),
        )

    def parts(self) -> dict[str, str]:
        """What a default label is made of: namespace, values of dimensions, name; by what they are."""
        return {"Namespace": self.namespace, **self.dimensions, "MetricName": self.name}


class Found(dict[int, float]):
    """A series that a search found: it keeps its metric's name through what is calculated with it alone."""

    def __init__(self, metric: MetricName, values: Mapping[int, float]) -> None:
        super().__init__(values)
        self.metric = metric


def labels(given: str | None, otherwise: str, series: Sequence[Mapping[int, float]]) -> list[str]:
    """A label for each series of an array; `given` is the query's own, `otherwise` its Id.

    As on AWS a dynamic label stands alone, any other one in front of what tells the metrics apart.
    """
    metrics = [one.metric if isinstance(one, Found) else None for one in series]
    known = [metric.parts() for metric in metrics if metric]
    found = []
    for metric in metrics:
        if metric is None:
            found.append(given or otherwise)
            continue
        own = metric.parts()
        telling = [value for key, value in own.items() if any(other.get(key) != value for other in known)]
        default = " ".join(telling or [metric.name])
        if given and _DYNAMIC.search(given):
            found.append(dynamic(given, default, metric))
        else:
            found.append(f"{given} {default}" if given else default)
    return found


def dynamic(label: str, default: str, metric: MetricName) -> str:
    """A label with what it asks for of its metric; what a metric does not have is empty."""

    def value(match: re.Match[str]) -> str:
        return default if match[1] else metric.property(match[2].removeprefix("Dim.")) or ""

    return _DYNAMIC.sub(value, label)
