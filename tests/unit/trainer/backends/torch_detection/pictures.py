"""Small drawn images to train with: red boxes, blue boxes, and green dots that are points."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from learning_loop_node.data_classes import Category
from learning_loop_node.images import encode_jpeg
from learning_loop_node.trainer.backends.torch_detection.plan import Plan

RED, BLUE, DOT = (
    Category(id="id-red", name="red", type="box"),
    Category(id="id-blue", name="blue", type="box"),
    Category(id="id-dot", name="dot", type="point", point_size=6),
)
COLORS = {"id-red": (220, 30, 30), "id-blue": (30, 30, 220), "id-dot": (30, 220, 30)}
SIZE = (64, 64)
QUICK: dict[str, Any] = {"epochs": 2, "resolution": 64, "batch_size": 4, "mosaic": 0, "cutout": 0, "threads": 1}


def draw(folder: Path, number: int, part: str, categories: list[Category]) -> dict[str, Any]:
    """An image with one thing of each category, in a file; what the loop would say about it."""
    rng = np.random.default_rng(number)
    pixels = rng.integers(90, 140, (SIZE[1], SIZE[0], 3)).astype(np.uint8)
    record: dict[str, Any] = {
        "id": f"i-{number}", "set": part, "width": SIZE[0], "height": SIZE[1], "box_annotations": [],
        "point_annotations": [],
    }  # fmt: skip
    for place, category in enumerate(categories):
        width, height = (10, 10) if category.type == "point" else rng.integers(14, 24, 2).tolist()
        x = int(rng.integers(0, SIZE[0] - width))
        y = int(rng.integers(0, 32 - height)) + 32 * (place % 2)
        pixels[y : y + height, x : x + width] = COLORS[category.id]
        if category.type == "point":
            record["point_annotations"].append({"x": x + 5, "y": y + 5, "category_id": category.id})
        else:
            box = {"x": x, "y": y, "width": width, "height": height, "category_id": category.id}
            record["box_annotations"].append(box)
    (folder / f"i-{number}.jpg").write_bytes(encode_jpeg(pixels, quality=95))
    return record


def plan_of(
    folder: Path,
    *,
    drawn: list[Category] | None = None,
    categories: list[Category] | None = None,
    parts: str = "train " * 8 + "val " * 4,
    **changes: Any,
) -> Plan:
    """A plan for images in this folder, of which each shows one thing of the `drawn` categories."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = drawn if drawn is not None else [RED, BLUE]
    variant, base_model = changes.pop("variant", "nano"), changes.pop("base_model", None)
    return Plan(
        variant=variant,
        categories=categories or drawn,
        hyperparameters=QUICK | changes,
        images=[draw(folder, number, part, drawn) for number, part in enumerate(parts.split())],
        images_folder=str(folder),
        base_model=base_model,
    )
