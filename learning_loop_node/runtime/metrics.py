"""What a process tells Prometheus about itself.

The parts count in plain numbers; a `Metric` is a row that says under which name they are shown and where they are read,
and that happens only when somebody asks. There is a registry per application, never the global one: programs make two
nodes in one process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version
from math import inf
from platform import python_version
from typing import TYPE_CHECKING, Any

from .histogram import Histogram
from .threads import io_bound

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

Value = float | Histogram
Reading = Value | Mapping[Any, Value]
"""One value, or several by the values of their labels: a text if there is one label, else a tuple of texts."""


class Kind(StrEnum):
    """What can be done with a metric: counters only grow, so that their rate has a meaning."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A row of a table of metrics. `name` has the unit and, for a counter, `_total` at its end.

    Labels come from short lists that we know (operations, reasons, versions). What others choose freely, such as
    cameras, addresses or tags, is no label: it would grow without end, and might be a secret.
    """

    name: str
    kind: Kind
    summary: str
    read: Callable[[], Reading]
    labels: tuple[str, ...] = ()


class Metrics:
    """All metrics of one application, as text for whoever asks."""

    def __init__(self) -> None:
        self.rows: list[Metric] = []
        self._registry: CollectorRegistry | None = None

    def add(self, rows: Iterable[Metric]) -> None:
        """Show these, too."""
        self.rows += rows

    async def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """The text and its content type: the plain format of Prometheus, or OpenMetrics for whoever accepts it."""
        exposition = await io_bound(_library)  # takes some milliseconds the first time
        if self._registry is None:
            self._registry = _registry_of(self)
        encode, content_type = exposition.choose_encoder(accept)
        return encode(self._registry), content_type

    def collect(self) -> Iterator[Any]:
        """What the registry asks for."""
        return map(_family_of, self.rows)


def package_metric(name: str) -> Metric:
    """The versions of the package and of Python, as a constant."""
    return Metric(
        name=name,
        kind=Kind.GAUGE,
        summary="Always 1; its labels say which versions run",
        labels=("version", "python"),
        read=lambda: {(version("learning-loop-node"), python_version()): 1},
    )


def _library() -> Any:
    from prometheus_client import exposition

    return exposition


def _registry_of(metrics: Metrics) -> CollectorRegistry:
    from prometheus_client import CollectorRegistry, ProcessCollector

    registry = CollectorRegistry()
    registry.register(metrics)
    ProcessCollector(registry=registry)
    return registry


def _family_of(metric: Metric) -> Any:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    if metric.kind is Kind.HISTOGRAM:
        histograms = HistogramMetricFamily(metric.name, metric.summary, labels=metric.labels)
        for labels, histogram in _values_of(metric):
            assert isinstance(histogram, Histogram), f"{metric.name} must be read as a histogram"
            buckets = [("+Inf" if bound == inf else str(bound), count) for bound, count in histogram.cumulated()]
            histograms.add_metric(labels, buckets, histogram.total)
        return histograms
    family = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    numbers = family(metric.name, metric.summary, labels=metric.labels)
    for labels, value in _values_of(metric):
        numbers.add_metric(labels, value)
    return numbers


def _values_of(metric: Metric) -> Iterator[tuple[tuple[str, ...], Any]]:
    reading = metric.read()
    if not isinstance(reading, Mapping):
        yield (), reading
        return
    for labels, value in reading.items():
        yield (labels,) if isinstance(labels, str) else labels, value
