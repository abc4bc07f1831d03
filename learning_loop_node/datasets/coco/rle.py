"""Masks as COCO writes them in run lengths, and outlines that fill the same pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DatasetError
from ...geometry.boxes import Floats
from ...geometry.polygons import outlines, signed_area
from ..dataset import Number

LARGEST_MASK_PIXELS = 2**28


def outlines_of_rle(rle: Any, width: int, height: int, where: str) -> list[list[tuple[Number, Number]]]:
    """A polygon around every part of a mask; holes are cut out of them along a seam without area.

    Filled by the rule of even and odd, or by that of windings, they cover the pixels of the mask and no others.
    """
    mask = mask_of(rle, width, height, where)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return []
    top, left = int(rows[0]), int(columns[0])
    rings = outlines(mask[top : rows[-1] + 1, left : columns[-1] + 1])
    parts = [ring for ring in rings if signed_area(ring) > 0]
    cut = {index: [part] for index, part in enumerate(parts)}
    for hole in (ring for ring in rings if signed_area(ring) < 0):
        x, y = hole[0]  # its highest corner at the left: what lies above belongs to the part around it
        around = [i for i, part in enumerate(parts) if _is_inside(part, x + 0.5, y - 0.5)]
        cut[min(around, key=lambda i: signed_area(parts[i]))].append(hole)
    return [_plain(_with_holes(*rings) + np.array((left, top))) for rings in cut.values()]


def mask_of(rle: Any, width: int, height: int, where: str) -> NDArray[np.bool_]:
    """The mask `(height, width)`; `DatasetError` if the run lengths are not those of an image of this size."""
    size, counts = (rle.get("size"), rle.get("counts")) if isinstance(rle, dict) else (None, None)
    if size != [height, width]:
        raise DatasetError(f"{where}.size is {size!r}; the image says [{height}, {width}] (height, width)")
    if width * height > LARGEST_MASK_PIXELS:
        raise DatasetError(f"{where} has {width * height} pixels; {LARGEST_MASK_PIXELS} are the limit for a mask")
    runs = _unpacked(counts, where) if isinstance(counts, str) else counts
    if not isinstance(runs, list) or not all(type(run) is int and run >= 0 for run in runs):
        raise DatasetError(f"{where}.counts must be a list of run lengths, or their text")
    if sum(runs) != width * height:
        raise DatasetError(f"{where}.counts add up to {sum(runs)} pixels; the image has {width * height}")
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape((height, width), order="F")


def _unpacked(text: str, where: str) -> list[int]:
    """Five bits per character, the sixth says whether more follow, from the third run on as difference to the last but
    one."""
    runs: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 60:
            raise DatasetError(f"{where}.counts is no text of run lengths")
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    if shift:
        raise DatasetError(f"{where}.counts ends in the middle of a number")
    return runs


def _is_inside(polygon: Floats, x: float, y: float) -> bool:
    x1, y1 = polygon.T
    x2, y2 = np.roll(polygon, -1, axis=0).T
    crosses = (y1 > y) != (y2 > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = x1 + (y - y1) * (x2 - x1) / (y2 - y1)
    return bool(np.count_nonzero(crosses & (at > x)) % 2)


def _with_holes(part: Floats, *holes: Floats) -> Floats:
    ring = part
    for hole in holes:
        apart = ((ring[:, None] - hole[None]) ** 2).sum(axis=2)
        at, begin = np.unravel_index(int(apart.argmin()), apart.shape)
        ring = np.concatenate([ring[: at + 1], hole[begin:], hole[: begin + 1], ring[at:]])
    return ring


def _plain(ring: Floats) -> list[tuple[Number, Number]]:
    return [(int(x), int(y)) for x, y in ring]
