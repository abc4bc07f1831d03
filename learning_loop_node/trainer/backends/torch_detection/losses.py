"""How wrong a prediction is: its scores by cross entropy, its boxes by how they overlap."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from .assignment import Assignment

CLASS_WEIGHT = 1.0
BOX_WEIGHT = 5.0
TINY = 1e-7


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """`total` is what is minimised; the parts are without their weights."""

    total: Tensor
    classes: Tensor
    boxes: Tensor


def losses(logits: Tensor, boxes: Tensor, wanted: Assignment, labelled: Tensor) -> Losses:
    """`logits` `(N, A, C)`, `boxes` `(N, A, 4)` in xyxy; only the classes in `labelled` `(C,)` (bool) count.

    Each part is divided by what there is to find, so that images with many things weigh more, not differently. Boxes
    are not weighed by how well they fit already, or small things would never be learnt: at first they fit worst.
    """
    entropy = functional.binary_cross_entropy_with_logits(
        logits[..., labelled], wanted.scores[..., labelled], reduction="sum"
    )
    classes = entropy / wanted.scores.sum().clamp(min=1.0)
    used = wanted.is_used
    missing = 1 - complete_overlaps(boxes[used], wanted.boxes[used])
    box_loss = (missing * wanted.weights[used]).sum() / wanted.weights.sum().clamp(min=1.0)
    return Losses(total=CLASS_WEIGHT * classes + BOX_WEIGHT * box_loss, classes=classes, boxes=box_loss)


def complete_overlaps(boxes: Tensor, wanted: Tensor) -> Tensor:
    """CIoU of boxes in xyxy, row by row: `(K, 4)` twice gives `(K,)`.

    From "Distance-IoU Loss" (Zheng et al., 2020): the overlap, less the distance of the centres in relation to the box
    around both, less what differs in the ratio of the sides.
    """
    sides, wanted_sides = (boxes[:, 2:] - boxes[:, :2]).clamp(TINY), (wanted[:, 2:] - wanted[:, :2]).clamp(TINY)
    shared_sides = torch.minimum(boxes[:, 2:], wanted[:, 2:]) - torch.maximum(boxes[:, :2], wanted[:, :2])
    shared = shared_sides.clamp(0).prod(dim=1)
    overlap = shared / (sides.prod(dim=1) + wanted_sides.prod(dim=1) - shared + TINY)
    around = torch.maximum(boxes[:, 2:], wanted[:, 2:]) - torch.minimum(boxes[:, :2], wanted[:, :2])
    apart = (boxes[:, :2] + boxes[:, 2:] - wanted[:, :2] - wanted[:, 2:]) / 2
    distance = apart.square().sum(dim=1) / (around.square().sum(dim=1) + TINY)
    angles = torch.atan(wanted_sides[:, 0] / wanted_sides[:, 1]) - torch.atan(sides[:, 0] / sides[:, 1])
    unlike = 4 / math.pi**2 * angles.square()
    with torch.no_grad():
        share = unlike / (1 - overlap + unlike + TINY)
    return overlap - distance - share * unlike
