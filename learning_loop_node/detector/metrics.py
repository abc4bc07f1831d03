"""What a detector tells Prometheus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..enums import OutboxMode
from ..runtime.metrics import Kind, Metric, Reading
from .outbox.status import Dropped, OutboxStatus

if TYPE_CHECKING:
    from .detector_node import DetectorNode

PREFIX = "learning_loop_node_"
MOST_NAMES = 100
"""Rules of users name causes as they like; so many of them are shown, the most frequent ones."""


def detector_metrics(node: DetectorNode) -> list[Metric]:
    return [*_of_detection(node), *_of_models(node), *_of_the_filter(node), *_of_the_outbox(node)]


def _of_detection(node: DetectorNode) -> list[Metric]:
    inference = node.inference
    counts = inference.counts
    return [
        _counter("images_detected_total", "Images answered", lambda: counts.images),
        _counter(
            "detections_refused_total",
            "Requests not answered: `busy` (too many waited), `deadline` (passed), `failed` (logic, or broken image)",
            lambda: {"busy": counts.refused, "deadline": counts.expired, "failed": counts.failed},
            "reason",
        ),
        _counter("detections_outside_total", "Boxes or points reaching outside their image", lambda: counts.outside),
        Metric(
            name=PREFIX + "stage_seconds",
            kind=Kind.HISTOGRAM,
            summary="How long requests stay in a stage: `wait` (for a decoder and the logic), `decode`, `inference`",
            labels=("stage",),
            read=inference.stages.by_name,
        ),
        Metric(
            name=PREFIX + "batch_images",
            kind=Kind.HISTOGRAM,
            summary="Images per call of the logic",
            read=lambda: inference.stages.batch,
        ),
        _gauge("queue_images", "Images that wait or are in the logic now", lambda: inference.pending),
        _gauge(
            "queue_capacity_images", "So many may (`DETECTOR_QUEUE_SIZE`)", lambda: node.settings.detector.queue_size
        ),
    ]


def _of_models(node: DetectorNode) -> list[Metric]:
    def model() -> Reading:
        loaded = node.active_model.loaded
        return {(loaded.version, node.active_model.model_format): 1} if loaded else {}

    return [
        Metric(
            name=PREFIX + "model_info",
            kind=Kind.GAUGE,
            summary="Always 1; its labels say which model answers. Missing without a model",
            labels=("version", "format"),
            read=model,
        ),
        _counter("model_swaps_total", "Models built and switched to", lambda: node.active_model.swap_count),
        _counter(
            "model_refusals_total",
            "Models given up, until another one is wanted or somebody asks again",
            lambda: node.model_updates.refused_count,
        ),
    ]


def _of_the_filter(node: DetectorNode) -> list[Metric]:
    intake = node.intake
    return [
        _gauge("filter_waiting_images", "Detections that wait for the rules now", lambda: intake.waiting_count),
        _counter("filter_kept_total", "Images kept by a rule", lambda: intake.kept_count),
        _counter("filter_not_relevant_total", "Images for which no rule spoke", lambda: intake.not_relevant_count),
        _counter(
            "filter_causes_total", "Images kept, by cause; one may have several", lambda: _most(intake.kept), "cause"
        ),
        _counter(
            "filter_dropped_total",
            "Relevant or undecided images that were not kept",
            lambda: dict(intake.dropped),
            "reason",
        ),
        _counter(
            "filter_rule_failures_total",
            "Images on which a rule failed",
            lambda: _most(Counter(node.relevance_filter.rule_failures)),
            "rule",
        ),
    ]


def _of_the_outbox(node: DetectorNode) -> list[Metric]:
    def status() -> OutboxStatus:
        return node.outbox.status()

    def lanes() -> Reading:
        now = status()
        return {"priority": now.priority_items, "normal": now.items - now.priority_items}

    def dropped() -> Reading:
        return {reason.value: 0 for reason in Dropped} | status().dropped

    def modes() -> Reading:
        present = status().mode
        return {mode.value: int(mode == present) for mode in OutboxMode}

    return [
        _gauge("outbox_images", "Images that wait for the loop now", lanes, "lane"),
        _gauge("outbox_bytes", "Their bytes", lambda: status().size_bytes),
        _gauge("outbox_oldest_age_seconds", "Age of the oldest; 0 if none waits", lambda: status().oldest_age_s or 0),
        _gauge("outbox_quarantine_images", "Images in quarantine now", lambda: status().quarantine_items),
        _gauge("outbox_mode", "1 for the mode it is in, else 0", modes, "mode"),
        _counter("outbox_found_total", "Images there at the start, or brought by hand", lambda: status().found),
        _counter("outbox_saved_total", "Images saved", lambda: status().saved),
        _counter("outbox_refused_total", "Saves refused for want of room", lambda: status().refused),
        _counter("outbox_sent_total", "Images that the loop has taken", lambda: status().sent),
        _counter("outbox_retried_total", "Failed tries, one per image", lambda: status().retried),
        _counter("outbox_quarantined_total", "Images put into quarantine", lambda: status().quarantined),
        _counter("outbox_dropped_total", "Images given up", dropped, "reason"),
    ]


def _counter(name: str, summary: str, read: Callable[[], Reading], *labels: str) -> Metric:
    return Metric(name=PREFIX + name, kind=Kind.COUNTER, summary=summary, read=read, labels=labels)


def _gauge(name: str, summary: str, read: Callable[[], Reading], *labels: str) -> Metric:
    return Metric(name=PREFIX + name, kind=Kind.GAUGE, summary=summary, read=read, labels=labels)


def _most(counts: Counter[str]) -> dict[str, float]:
    return dict(counts.most_common(MOST_NAMES))
