"""What the loop tells Prometheus."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ...api.traffic import Traffic
from ...runtime.metrics import Kind, Metric, Reading, package_metric

if TYPE_CHECKING:
    from ..loop import Loop

PREFIX = "learning_loop_server_"
LOGIN_PATHS = ("/api/login", "/api/token")
REFUSALS = ("401", "403", "422", "429")


def loop_metrics(loop: Loop) -> list[Metric]:
    return [
        package_metric(PREFIX + "info"),
        *_of_requests(loop),
        *_of_nodes(loop),
        *_of_images(loop),
        *_of_the_store(loop),
    ]


def _of_requests(loop: Loop) -> list[Metric]:
    traffic = loop.requests.traffic
    return [
        _counter("requests_total", "Requests answered", lambda: _outcomes(traffic), "route", "method", "status"),
        Metric(
            name=PREFIX + "request_seconds",
            kind=Kind.HISTOGRAM,
            summary="From the head of a request to the beginning of its answer",
            labels=("route", "method"),
            read=lambda: {place: recorder.seconds for place, recorder in traffic.used().items()},
        ),
        _gauge("requests_in_progress", "Requests and streams that are open now", lambda: loop.requests.in_progress),
        _gauge("event_subscribers", "Who listens to changes now", lambda: loop.changes.listener_count),
        _counter("logins_refused_total", "Logins refused", lambda: _refused_logins(traffic)),
    ]


def _of_nodes(loop: Loop) -> list[Metric]:
    connections = loop.connections
    return [
        _gauge("nodes", "Socket.IO connections that are open now", connections.nodes.counts, "kind"),
        _counter("connections_refused_total", "Socket.IO requests refused", lambda: connections.refused),
        _counter(
            "node_events_total",
            "Events of nodes answered",
            lambda: {
                (event, outcome): count
                for (event, _), recorder in connections.traffic.used().items()
                for outcome, count in recorder.outcomes.items()
            },
            "event",
            "outcome",
        ),
        _counter("trainings_ended_total", "Trainings that ended", lambda: loop.dispatch.works.ended, "state"),
    ]


def _of_images(loop: Loop) -> list[Metric]:
    arrivals = loop.arrivals
    return [
        _counter("images_received_total", "Images sent to the loop", lambda: arrivals.received),
        _counter("images_stored_total", "Images stored", lambda: arrivals.stored),
        _counter("images_stored_bytes_total", "Their bytes", lambda: arrivals.stored_bytes),
        _counter("images_repeated_total", "Images that were there already", lambda: arrivals.repeated),
        _counter("images_refused_total", "Images of requests that were refused", lambda: arrivals.refused),
    ]


def _of_the_store(loop: Loop) -> list[Metric]:
    census = loop.census
    return [
        _gauge(
            "store_complete", "1 if the figures that follow could be counted, else 0", lambda: int(census.is_complete)
        ),
        _gauge("images", "Images in the loop, of all projects", lambda: census.figures.images, "state"),
        _gauge("images_bytes", "Their bytes", lambda: census.figures.image_bytes),
        _gauge("models", "Models", lambda: census.figures.models),
        _gauge("models_bytes", "Bytes of their archives", lambda: census.figures.model_bytes),
        _gauge("projects", "Projects", lambda: census.figures.projects),
        _gauge("users", "Users", lambda: census.figures.users),
        _gauge("trainings", "Trainings", lambda: census.figures.trainings, "state"),
        _gauge(
            "detectors",
            "Detectors by their last contact: within `5m`, `1h`, `1d`, or `older`",
            lambda: census.figures.detectors,
            "last_contact",
        ),
        _gauge("database_bytes", "Size of the database", lambda: census.figures.database_bytes),
        _gauge("blobs", "Files that hold images and models", lambda: census.figures.blobs),
        _gauge("disk_free_bytes", "Room left where they lie", lambda: census.figures.free_bytes),
    ]


def _outcomes(traffic: Traffic) -> dict[tuple[str, str, str], float]:
    return {
        (*place, status): count
        for place, recorder in traffic.used().items()
        for status, count in recorder.outcomes.items()
    }


def _refused_logins(traffic: Traffic) -> int:
    return sum(
        count
        for (route, _), recorder in traffic.used().items()
        for status, count in recorder.outcomes.items()
        if route in LOGIN_PATHS and status in REFUSALS
    )


def _counter(name: str, summary: str, read: Callable[[], Reading], *labels: str) -> Metric:
    return Metric(name=PREFIX + name, kind=Kind.COUNTER, summary=summary, read=read, labels=labels)


def _gauge(name: str, summary: str, read: Callable[[], Reading], *labels: str) -> Metric:
    return Metric(name=PREFIX + name, kind=Kind.GAUGE, summary=summary, read=read, labels=labels)
