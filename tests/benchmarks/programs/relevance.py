"""Times the relevance filter; runs under ours and under 0.27, and prints JSON.

Its argument is one letter per category: 0.27 is slowest if all boxes are of one, ours hardly minds.

150 images of 50 boxes, all new, so that the history grows to 7500. Uses only what 0.27 has, too.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import sys
import time
from typing import Any

IMAGES = 150
BOXES = 50
AT_5000 = slice(95, 106)
LAST_FIFTH = slice(120, 150)


class Nowhere:
    """An outbox that keeps nothing, so that only the decision is timed."""

    async def save(self, *_: Any, **__: Any) -> None: ...


def images(categories: str) -> list[Any]:
    """Every box lies in a cell of its own; cells are 32 pixels apart on a frame of 4K."""
    from learning_loop_node.data_classes import BoxDetection, ImageMetadata

    rng = random.Random(0)
    cells = [(32 * column, 32 * row) for column in range(120) for row in range(67)]
    rng.shuffle(cells)
    boxes = [
        BoxDetection(
            category_name=rng.choice(categories),
            x=x,
            y=y,
            width=rng.randrange(20, 33),
            height=rng.randrange(20, 33),
            model_name="1.0",
            confidence=rng.random(),
        )
        for x, y in cells[: IMAGES * BOXES]
    ]
    return [ImageMetadata(box_detections=boxes[start : start + BOXES]) for start in range(0, len(boxes), BOXES)]


def new_filter() -> Any:
    try:
        from learning_loop_node.detector.relevance.filter import RelevanceFilter
    except ImportError:
        from learning_loop_node.detector.inbox_filter.relevance_filter import (  # type: ignore[import-not-found, no-redef, unused-ignore]
            RelevanceFilter,
        )
    return RelevanceFilter(Nowhere())


async def measure(categories: str) -> dict[str, float]:
    """Seconds per image with 5000 boxes known, and in the last fifth."""
    relevance_filter = new_filter()
    seconds = []
    for metadata in images(categories):
        start = time.perf_counter()
        await relevance_filter.may_upload_detections(metadata, "door", b"")
        seconds.append(time.perf_counter() - start)
    return {
        "at_5000_s": statistics.median(seconds[AT_5000]),
        "last_fifth_s": statistics.fmean(seconds[LAST_FIFTH]),
    }


if __name__ == "__main__":
    json.dump(asyncio.run(measure(sys.argv[1])), sys.stdout)
