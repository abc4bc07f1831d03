"""All cases by name, in the order of the table. To add one, write a file with `measure` and a line here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from . import (
    bench_about,
    bench_annotation,
    bench_batching,
    bench_events,
    bench_loop_listing,
    bench_loop_storing,
    bench_model,
    bench_onnx,
    bench_outbox,
    bench_process,
    bench_relevance,
    bench_rest,
    bench_scenes,
    bench_training_data,
)
from .figures import Figure
from .turns import Bench

CASES: dict[str, Callable[[Bench], Awaitable[list[Figure]]]] = {
    "rest": bench_rest.measure,
    "batching": bench_batching.measure,
    "events_raw": bench_events.measure_raw,
    "events_jpeg": bench_events.measure_jpeg,
    "outbox": bench_outbox.measure,
    "relevance": bench_relevance.measure,
    "about": bench_about.measure,
    "model": bench_model.measure,
    "process": bench_process.measure,
    "loop_storing": bench_loop_storing.measure,
    "training_data": bench_training_data.measure,
    "annotation": bench_annotation.measure,
    "loop_listing": bench_loop_listing.measure,
    "scenes": bench_scenes.measure,
    "onnx": bench_onnx.measure,
}
