"""Random images, and what the relevance filter of learning-loop-node 0.27 decides about them.

Run by the interpreter of an environment that has 0.27, this script writes the decisions to standard output:

    .peers/v27/bin/python tests/data/relevance_oracle.py > tests/data/relevance_oracle.json

It imports nothing of ours, so that it can run there. The images come from `random.random()` alone, whose sequence for a
seed Python promises to keep.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import random
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

SCENARIO_COUNT = 400
IMAGES_PER_SCENARIO = 8
WAITS_S = (0, 0, 0, 7, 701, 1811, 3517, 3701)
"""Added in any way that occurs, they stay away from an hour, at which the time that passes by itself would matter."""
CONFIDENCES = (0.05, 0.29, 0.3, 0.45, 0.6, 0.61, 0.9)
LETTERS = {"uncertain": "u", "segmentation_detection": "s", "unexpected_observations_count": "c"}


class Picture(NamedTuple):
    """One image: seconds since the one before it, its camera, and plain tuples that end in the confidence."""

    wait_s: int
    camera: str | None
    boxes: list[tuple[str, int, int, int, int, float]]
    points: list[tuple[str, float, float, float]]
    classifications: list[tuple[str, float]]
    segmentation_count: int


def scenarios(first_seed: int = 0, count: int = SCENARIO_COUNT) -> list[list[Picture]]:
    """Each is a sequence of images for a filter of its own."""
    return [_scenario(seed) for seed in range(first_seed, first_seed + count)]


def _scenario(seed: int) -> list[Picture]:
    rng = random.Random(seed)

    def below(limit: int) -> int:
        return int(rng.random() * limit)

    reach = (6, 20, 60)[below(3)]
    cameras = (["a"], ["a", "b"], ["a", "b", "c"], [None])[below(4)]
    waits = (0,) if None in cameras else WAITS_S
    return [
        Picture(
            wait_s=waits[below(len(waits))],
            camera=cameras[below(len(cameras))],
            boxes=[_box(below, reach) for _ in range(_amount(below))],
            points=[_point(below, reach) for _ in range(_amount(below))],
            classifications=[(_category(below), _confidence(below)) for _ in range(below(8) // 7)],
            segmentation_count=below(10) // 9,
        )
        for _ in range(IMAGES_PER_SCENARIO)
    ]


def _amount(below: Callable[[int], int]) -> int:
    """Mostly a few, sometimes none, rarely a crowd."""
    return (0, below(4), below(4), below(10), 35 + below(10))[below(5)]


def _box(below: Callable[[int], int], reach: int) -> tuple[str, int, int, int, int, float]:
    """Small whole numbers, so that overlaps of exactly a half occur, and boxes without area."""
    x, y = below(reach) - 3, below(reach) - 3
    return _category(below), x, y, below(12), 1 + below(11), _confidence(below)


def _point(below: Callable[[int], int], reach: int) -> tuple[str, float, float, float]:
    """Halves, so that distances of exactly 10 occur."""
    return _category(below), below(2 * reach) / 2 - 3, below(2 * reach) / 2, _confidence(below)


def _category(below: Callable[[int], int]) -> str:
    return "pqr"[below(3)]


def _confidence(below: Callable[[int], int]) -> float:
    return CONFIDENCES[below(len(CONFIDENCES))] if below(2) else 0.6 + below(400) / 1000


def to_metadata(picture: Picture) -> Any:
    """As the data class of whichever learning-loop-node is installed."""
    from learning_loop_node import data_classes as d

    def named(category: str, confidence: float) -> dict[str, Any]:
        return {"category_name": category, "model_name": "1.0", "confidence": confidence}

    return d.ImageMetadata(
        box_detections=[
            d.BoxDetection(x=x, y=y, width=width, height=height, **named(category, confidence))
            for category, x, y, width, height, confidence in picture.boxes
        ],
        point_detections=[
            d.PointDetection(x=x, y=y, **named(category, confidence)) for category, x, y, confidence in picture.points
        ],
        classification_detections=[
            d.ClassificationDetection(**named(category, confidence)) for category, confidence in picture.classifications
        ],
        segmentation_detections=[
            d.SegmentationDetection(shape="1,1,9,1,9,9", **named("p", 0.9)) for _ in range(picture.segmentation_count)
        ],
    )


def decision(causes: list[str], is_new: list[bool]) -> str:
    """`uc 1101`: the causes, and for each box and then each point whether it was new."""
    letters = "".join(letter for cause, letter in LETTERS.items() if cause in causes)
    return f"{letters} {''.join(str(int(new)) for new in is_new)}"


async def _record(pictures: list[Picture]) -> list[str]:
    from learning_loop_node.detector.inbox_filter.relevance_filter import (  # type: ignore[import-not-found, unused-ignore]
        RelevanceFilter,
    )

    class Nowhere:
        async def save(self, *_: Any, **__: Any) -> None: ...

    relevance_filter: Any = RelevanceFilter(Nowhere())
    decisions = []
    for picture in pictures:
        histories = [*relevance_filter.cam_histories.values(), relevance_filter.unknown_cam_history]
        for history in histories:
            for observation in history.recent_observations:
                observation.last_seen -= timedelta(seconds=picture.wait_s)
        metadata = to_metadata(picture)
        causes = await relevance_filter.may_upload_detections(metadata, picture.camera, b"")
        history = relevance_filter.cam_histories.get(picture.camera, relevance_filter.unknown_cam_history)
        kept = {id(observation.detection) for observation in history.recent_observations}
        placed = [*metadata.box_detections, *metadata.point_detections]
        decisions.append(decision(causes, [id(detection) in kept for detection in placed]))
    return decisions


async def record(first_seed: int, count: int) -> list[list[str]]:
    """The decisions of the installed 0.27, one text per image."""
    with contextlib.redirect_stdout(io.StringIO()):
        return [await _record(pictures) for pictures in scenarios(first_seed, count)]


if __name__ == "__main__":
    first, amount = map(int, sys.argv[1:] or (0, SCENARIO_COUNT))
    json.dump(asyncio.run(record(first, amount)), sys.stdout, separators=(",", ":"))
