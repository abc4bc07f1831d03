"""What a converter tells Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..runtime.metrics import Kind, Metric

if TYPE_CHECKING:
    from .converter_node import ConverterNode


def converter_metrics(node: ConverterNode) -> list[Metric]:
    conversions = node.conversions
    return [
        Metric(
            name="learning_loop_node_conversions_total",
            kind=Kind.COUNTER,
            summary="Conversions that came to an end: `done`, or `failed`",
            labels=("outcome",),
            read=lambda: {"done": conversions.converted_count, "failed": conversions.failed_count},
        ),
        Metric(
            name="learning_loop_node_conversions_running",
            kind=Kind.GAUGE,
            summary="1 while a model is being converted or sent, else 0",
            read=lambda: int(conversions.current is not None),
        ),
        Metric(
            name="learning_loop_node_conversions_unsolved",
            kind=Kind.GAUGE,
            summary="Models that it could not convert, and does not try again by itself",
            read=lambda: len(conversions.failures),
        ),
    ]
