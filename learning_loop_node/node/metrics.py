"""What every node tells Prometheus."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..api.traffic import Recorder, Traffic
from ..runtime.metrics import Kind, Metric, package_metric

if TYPE_CHECKING:
    from .node import Node

PLACE = ("operation", "transport")


def node_metrics(node: Node) -> list[Metric]:
    def by_place(read: Callable[[Recorder], Any]) -> Callable[[], Any]:
        return lambda: {place: read(recorder) for place, recorder in node.traffic.used().items()}

    return [
        package_metric("learning_loop_node_info"),
        Metric(
            name="learning_loop_node_uptime_seconds",
            kind=Kind.GAUGE,
            summary="Seconds since the node was made",
            read=lambda: node.uptime_s,
        ),
        Metric(
            name="learning_loop_node_ready",
            kind=Kind.GAUGE,
            summary="1 if the node can do its work, else 0; `/readyz` says why",
            read=lambda: int(not node.readiness()),
        ),
        Metric(
            name="learning_loop_node_socketio_clients",
            kind=Kind.GAUGE,
            summary="Socket.IO clients that are connected",
            read=lambda: len(node.connected_clients),
        ),
        Metric(
            name="learning_loop_node_requests_total",
            kind=Kind.COUNTER,
            summary="Requests answered, with `ok` or the code of the error; `transport` is `rest` or `socketio`",
            labels=(*PLACE, "code"),
            read=lambda: outcomes_of(node.traffic),
        ),
        Metric(
            name="learning_loop_node_requests_in_progress",
            kind=Kind.GAUGE,
            summary="Requests received and not answered yet",
            labels=PLACE,
            read=by_place(lambda recorder: recorder.in_progress),
        ),
        Metric(
            name="learning_loop_node_request_seconds",
            kind=Kind.HISTOGRAM,
            summary="From the head of a request to its answer",
            labels=PLACE,
            read=by_place(lambda recorder: recorder.seconds),
        ),
        Metric(
            name="learning_loop_node_request_reading_seconds",
            kind=Kind.HISTOGRAM,
            summary="The first part of that: to receive and understand the request",
            labels=PLACE,
            read=by_place(lambda recorder: recorder.reading),
        ),
    ]


def outcomes_of(traffic: Traffic) -> dict[tuple[str, ...], float]:
    """How many requests had which outcome, by operation, transport and code."""
    return {
        (*place, code): count
        for place, recorder in traffic.used().items()
        for code, count in dict(recorder.outcomes).items()
    }
