"""How wrong predictions are, on hand-made cases."""

from __future__ import annotations

import math

import pytest
import torch

from learning_loop_node.trainer.backends.torch_detection.assignment import Assignment
from learning_loop_node.trainer.backends.torch_detection.losses import complete_overlaps, losses

BOX = [10.0, 10, 20, 30]
EVERY = torch.tensor([True, True])


def wanted(score: float = 1.0) -> Assignment:
    """Of two places the first should find a thing of the first class."""
    return Assignment(
        scores=torch.tensor([[[score, 0.0], [0.0, 0.0]]]),
        boxes=torch.tensor([[BOX, [0.0, 0, 0, 0]]]),
        weights=torch.tensor([[float(score > 0), 0.0]]),
        is_used=torch.tensor([[score > 0, False]]),
    )


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        pytest.param(BOX, 1.0, id="the same"),
        pytest.param([10.0, 10, 20, 20], 0.5 - 25 / 500 - 0.0032, id="half of it, another ratio"),
        pytest.param([20.0, 10, 30, 30], 0 - 100 / 800, id="beside it"),
    ],
)
def test_complete_overlaps(box: list[float], expected: float):
    [found] = complete_overlaps(torch.tensor([box]), torch.tensor([BOX]))
    assert float(found) == pytest.approx(expected, abs=2e-3)


def test_without_boxes():
    assert complete_overlaps(torch.empty(0, 4), torch.empty(0, 4)).shape == (0,)


def test_perfect_predictions_cost_nearly_nothing():
    logits = torch.tensor([[[20.0, -20], [-20, -20]]])
    found = losses(logits, torch.tensor([[BOX, BOX]]), wanted(), EVERY)
    assert float(found.total) == pytest.approx(0, abs=1e-4)


def test_unsure_scores_cost_what_their_cross_entropy_is():
    found = losses(torch.zeros(1, 2, 2), torch.tensor([[BOX, BOX]]), wanted(), EVERY)
    assert float(found.classes) == pytest.approx(4 * math.log(2))


def test_only_boxes_that_should_find_something_count():
    logits = torch.zeros(1, 2, 2)
    off = losses(logits, torch.tensor([[BOX, [0.0, 0, 1, 1]]]), wanted(), EVERY)
    wrong = losses(logits, torch.tensor([[[40.0, 40, 50, 50], BOX]]), wanted(), EVERY)
    assert float(off.boxes) == pytest.approx(0, abs=1e-5)
    assert float(wrong.boxes) > 1


def test_nothing_there_is_no_division_by_zero():
    found = losses(torch.zeros(1, 2, 2), torch.zeros(1, 2, 4), wanted(0.0), EVERY)
    assert float(found.boxes) == 0
    assert math.isfinite(float(found.total))


def test_classes_without_labels_get_no_gradient():
    logits = torch.zeros(1, 2, 2, requires_grad=True)
    losses(logits, torch.tensor([[BOX, BOX]]), wanted(), torch.tensor([True, False])).total.backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert logits.grad[..., 1].abs().sum() == 0
    assert logits.grad[..., 0].abs().sum() > 0


def test_gradients_are_finite_also_for_boxes_without_area():
    boxes = torch.tensor([[[15.0, 20, 15, 20], BOX]], requires_grad=True)
    losses(torch.zeros(1, 2, 2), boxes, wanted(), EVERY).total.backward()  # type: ignore[no-untyped-call]
    assert boxes.grad is not None
    assert boxes.grad.isfinite().all()
