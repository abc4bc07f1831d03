"""Which places should find which thing, on hand-made cases."""

from __future__ import annotations

import torch

from learning_loop_node.trainer.backends.torch_detection.assignment import (
    PLACES_PER_THING,
    Assignment,
    assign,
    pairwise_overlaps,
)
from learning_loop_node.trainer.backends.torch_detection.network import grid

SIDE = 64


def assigned(things: list[tuple[list[float], int]], *, scores=0.5, reach=1.0, real: int | None = None) -> Assignment:
    """For one image of 64×64, where each place predicts a square around it of so many strides."""
    places, strides = grid(SIDE, SIDE)
    places, strides = places.T, strides[0]
    boxes = torch.cat([places - reach * strides[:, None], places + reach * strides[:, None]], dim=1)[None]
    given = torch.full((1, len(places), 3), scores) if isinstance(scores, float) else scores
    count = len(things)
    return assign(
        given,
        boxes,
        places,
        strides,
        torch.tensor([box for box, _ in things], dtype=torch.float32).reshape(1, count, 4),
        torch.tensor([number for _, number in things], dtype=torch.int64).reshape(1, count),
        (torch.arange(count) < (count if real is None else real))[None],
    )


def used_places(found: Assignment) -> torch.Tensor:
    return grid(SIDE, SIDE)[0].T[found.is_used[0]]


def test_nothing_there():
    found = assigned([])
    assert not found.is_used.any()
    assert found.scores.sum() == 0


def test_what_is_only_filled_up_counts_as_nothing():
    assert not assigned([([0, 0, 30, 30], 1)], real=0).is_used.any()


def test_places_inside_a_box_find_it_and_no_more_than_a_few():
    found = assigned([([8, 8, 56, 56], 2)])
    assert 0 < found.is_used.sum() <= PLACES_PER_THING
    assert ((used_places(found) >= 8) & (used_places(found) <= 56)).all()
    assert (found.boxes[found.is_used] == torch.tensor([8.0, 8, 56, 56])).all()
    assert found.scores[..., :2].sum() == 0


def test_the_best_place_is_wanted_as_surely_as_its_box_fits():
    thing = torch.tensor([[[16.0, 16, 48, 48]]])
    found = assigned([(thing[0, 0].tolist(), 0)])
    places, strides = grid(SIDE, SIDE)
    boxes = torch.cat([places - strides, places + strides]).T[None]
    best = pairwise_overlaps(thing, boxes).max()
    torch.testing.assert_close(found.scores.max(), best)


def test_smaller_than_a_cell_and_between_all_places():
    found = assigned([([31.0, 31.0, 33.0, 33.0], 1)])
    assert found.is_used.any()
    assert (found.scores[..., 1][found.is_used] > 0).all()


def test_a_place_in_two_boxes_finds_the_smaller_thing():
    large, small = [0.0, 0, 64, 64], [24.0, 24, 40, 40]
    found = assigned([(large, 0), (small, 1)])
    places = grid(SIDE, SIDE)[0].T
    middle = ((places - 28).abs().sum(dim=1)).argmin()  # of the finest grid: its box is as large as the small thing
    assert found.is_used[0, middle]
    assert found.boxes[0, middle].tolist() == small
    assert found.scores[0, middle].argmax() == 1
    assert (found.scores > 0).sum(dim=-1).max() == 1


def test_places_that_are_surer_of_the_class_are_preferred():
    places, _ = grid(SIDE, SIDE)
    scores = torch.full((1, places.shape[1], 3), 1e-6)
    right_half = places[0] > 32
    scores[0, right_half] = 0.9
    found = assigned([([0.0, 0, 64, 64], 0)], scores=scores)
    assert (used_places(found)[:, 0] >= 32).all()


def test_overlaps():
    first = torch.tensor([[[0.0, 0, 2, 2]]])
    second = torch.tensor([[[1.0, 1, 3, 3], [5, 5, 6, 6], [0, 0, 2, 2]]])
    torch.testing.assert_close(pairwise_overlaps(first, second), torch.tensor([[[1 / 7, 0.0, 1.0]]]))
