"""Categories look unlike each other, whoever chooses their colours."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from learning_loop_node.geometry.colors import distance_to_nearest, lab_of
from learning_loop_node.loop_server.generated import palette
from learning_loop_node.loop_server.generated.palette import DISTINCT, HOTKEYS, OKABE_ITO, next_colors, next_hotkeys


def test_the_examples_are_right():
    results = doctest.testmod(palette)
    assert (bool(results.attempted), results.failed) == (True, 0)


@pytest.mark.parametrize(
    "used",
    [
        pytest.param([], id="first categories"),
        pytest.param(["#FF0000", "#00ff00"], id="beside colours of the user"),
        pytest.param(list(OKABE_ITO), id="when the palette is used up"),
    ],
)
def test_thirty_colours_are_told_apart(used: list[str]):
    labs = lab_of(used + next_colors(used, 30))
    for position, lab in enumerate(labs):
        assert distance_to_nearest(lab[None], np.delete(labs, position, axis=0))[0] >= DISTINCT


def test_there_is_a_colour_for_everybody():
    assert len(next_colors([], 1000)) == 1000


def test_keys_run_out_without_an_error():
    assert next_hotkeys([], len(HOTKEYS) + 1) == [*HOTKEYS, None]
