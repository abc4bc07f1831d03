"""Decides which places of the grids should find which thing.

Task-aligned assignment, from "TOOD: Task-aligned One-stage Object Detection" (Feng et al., 2021): a place is the better
for a thing, the higher its score for the thing's class and the more its box overlaps the thing's box. A place that is
good for several things gets the smallest of them, since that has the fewest others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

SCORE_POWER = 0.5
OVERLAP_POWER = 6.0
PLACES_PER_THING = 10
TINY = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """For each place: `scores` `(N, A, C)` that it should give, 0 where there is nothing; `boxes` `(N, A, 4)` in xyxy.

    `weights` `(N, A)` say how much its box matters: 1 for the best place of each thing, 0 where nothing is to be found
    (`is_used` is False there).
    """

    scores: Tensor
    boxes: Tensor
    weights: Tensor
    is_used: Tensor


@torch.no_grad()
def assign(
    scores: Tensor,
    boxes: Tensor,
    places: Tensor,
    strides: Tensor,
    true_boxes: Tensor,
    true_classes: Tensor,
    is_true: Tensor,
) -> Assignment:
    """`scores` `(N, A, C)` and `boxes` `(N, A, 4)` are predicted; `places` `(A, 2)` and `strides` `(A,)` in pixels.

    Of M things at most in each image, `true_boxes` are `(N, M, 4)`, `true_classes` `(N, M)`; `is_true` `(N, M)` is
    False where an image has fewer.
    """
    class_count = scores.shape[2]
    if true_boxes.shape[1] == 0:
        nothing = torch.zeros_like(boxes)
        return Assignment(
            scores=torch.zeros_like(scores),
            boxes=nothing,
            weights=nothing[..., 0],
            is_used=nothing[..., 0].bool(),
        )
    overlaps = pairwise_overlaps(true_boxes, boxes)
    of_class = scores.transpose(1, 2).gather(1, true_classes[..., None].expand(-1, -1, scores.shape[1]))
    # What is added decides between places whose boxes hardly overlap the thing, as those of a new model do.
    alignment = of_class.pow(SCORE_POWER) * overlaps.pow(OVERLAP_POWER) + TINY * overlaps + TINY * TINY
    may = _is_near(places, strides, true_boxes) & is_true[..., None]
    chosen = _best(torch.where(may, alignment, 0.0))

    is_contested = chosen.sum(dim=1, keepdim=True) > 1
    areas = (true_boxes[..., 2:] - true_boxes[..., :2]).prod(dim=-1)
    owner = torch.where(chosen, areas[..., None], math.inf).argmin(dim=1)
    is_owner = torch.nn.functional.one_hot(owner, true_boxes.shape[1]).transpose(1, 2).bool()
    chosen = chosen & (is_owner | ~is_contested)

    is_used, thing = chosen.any(dim=1), chosen.float().argmax(dim=1)
    wanted_boxes = true_boxes.gather(1, thing[..., None].expand(-1, -1, 4))
    alignment = torch.where(chosen, alignment, 0.0)
    share = alignment / alignment.amax(dim=2, keepdim=True).clamp(min=TINY * TINY)
    best_overlap = torch.where(chosen, overlaps, 0.0).amax(dim=2, keepdim=True)
    wanted = torch.nn.functional.one_hot(true_classes.gather(1, thing), class_count).to(scores.dtype)
    return Assignment(
        scores=wanted * (share * best_overlap).amax(dim=1)[..., None],
        boxes=wanted_boxes,
        weights=share.amax(dim=1),
        is_used=is_used,
    )


def pairwise_overlaps(boxes_a: Tensor, boxes_b: Tensor) -> Tensor:
    """Intersection over union: `(N, M, 4)` and `(N, A, 4)` in xyxy give `(N, M, A)`."""
    first, second = boxes_a[:, :, None], boxes_b[:, None]
    sides = (torch.minimum(first[..., 2:], second[..., 2:]) - torch.maximum(first[..., :2], second[..., :2])).clamp(0)
    shared = sides.prod(dim=-1)
    area_a = (first[..., 2:] - first[..., :2]).clamp(0).prod(dim=-1)
    area_b = (second[..., 2:] - second[..., :2]).clamp(0).prod(dim=-1)
    return shared / (area_a + area_b - shared + TINY)


def _is_near(places: Tensor, strides: Tensor, true_boxes: Tensor) -> Tensor:
    """Whether a place is inside a box, `(N, M, A)`; a box is taken to be a cell of the grid large at least."""
    center, reach = (true_boxes[..., :2] + true_boxes[..., 2:]) / 2, (true_boxes[..., 2:] - true_boxes[..., :2]) / 2
    distances = (places - center[:, :, None]).abs()
    return (distances <= torch.maximum(reach[:, :, None], strides[:, None] / 2)).all(dim=-1)


def _best(alignment: Tensor) -> Tensor:
    """The few best places of each thing, among those above 0."""
    count = min(PLACES_PER_THING, alignment.shape[2])
    values, places = alignment.topk(count, dim=2)
    chosen = torch.zeros_like(alignment, dtype=torch.bool)
    return chosen.scatter(2, places, values > 0)
