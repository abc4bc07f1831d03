"""Plain numbers become text that Prometheus reads, in a registry of their own."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from learning_loop_node.runtime.histogram import Histogram
from learning_loop_node.runtime.metrics import Kind, Metric, Metrics, package_metric


def metric(name: str, kind: Kind, read: Any, *labels: str) -> Metric:
    return Metric(name=name, kind=kind, summary=f"about {name}", read=read, labels=labels)


async def samples_of(*rows: Metric) -> dict[tuple[str, ...], float]:
    metrics = Metrics()
    metrics.add(rows)
    content, _ = await metrics.exposition()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(content.decode())
        for sample in family.samples
        if not sample.name.startswith(("process_", "python_"))
    }


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        pytest.param(metric("a_total", Kind.COUNTER, lambda: 3), {("a_total",): 3}, id="one number"),
        pytest.param(
            metric("b", Kind.GAUGE, lambda: {"x": 1, "y": 2}, "l"), {("b", "x"): 1, ("b", "y"): 2}, id="label"
        ),
        pytest.param(metric("c", Kind.GAUGE, lambda: {("x", "y"): 1}, "l", "m"), {("c", "x", "y"): 1}, id="labels"),
        pytest.param(metric("d", Kind.GAUGE, dict, "l"), {}, id="nothing yet"),
    ],
)
async def test_numbers(row: Metric, expected: dict[tuple[str, ...], float]):
    assert await samples_of(row) == expected


@pytest.mark.parametrize(
    ("values", "counts"),
    [
        pytest.param([], [0, 0, 0], id="none"),
        pytest.param([1.0], [1, 1, 1], id="on a bound"),
        pytest.param([0.5, 1.5, 9.0], [1, 2, 3], id="in each bucket"),
    ],
)
async def test_histogram(values: list[float], counts: list[int]):
    histogram = Histogram((1.0, 2.0))
    for value in values:
        histogram.observe(value)
    samples = await samples_of(metric("h", Kind.HISTOGRAM, lambda: histogram))
    assert [samples["h_bucket", bound] for bound in ("1.0", "2.0", "+Inf")] == counts
    assert samples["h_count",] == len(values) == histogram.count
    assert samples["h_sum",] == sum(values)


async def test_two_applications_have_registries_of_their_own():
    one, other = Metrics(), Metrics()
    one.add([metric("same_total", Kind.COUNTER, lambda: 1)])
    other.add([metric("same_total", Kind.COUNTER, lambda: 2)])
    assert b"same_total 1.0" in (await one.exposition())[0]
    assert b"same_total 2.0" in (await other.exposition())[0]
    assert "same" not in {family.name for family in REGISTRY.collect()}


async def test_the_caller_chooses_the_format():
    metrics = Metrics()
    metrics.add([package_metric("our_info")])
    plain, open_metrics = await metrics.exposition(), await metrics.exposition("application/openmetrics-text")
    assert plain[1].startswith("text/plain")
    assert open_metrics[1].startswith("application/openmetrics-text")
    assert open_metrics[0].endswith(b"# EOF\n")
    assert b"process_resident_memory_bytes" in plain[0]
