"""What is in a scene is where it says, whatever the style."""

from __future__ import annotations

import numpy as np
import pytest

from learning_loop_node.enums import CategoryType
from learning_loop_node.generator.scenes import Style, compose, render
from tests.builders import make_category

KINDS = (CategoryType.Box, CategoryType.Point, CategoryType.Segmentation)
CATEGORIES = [make_category(f"{kind}", type=kind, color="#FF0000") for kind in KINDS]


def test_a_scene_without_things_is_a_background():
    assert render(compose([], seed=0), Style.Plain).std() == 0
    assert render(compose([], seed=0), Style.Beautiful).std() > 10


@pytest.mark.parametrize("style", list(Style))
def test_the_same_seed_is_the_same_picture(style: Style):
    pictures = [render(compose(CATEGORIES, seed=seed), style) for seed in (3, 3, 4)]
    assert np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[0], pictures[2])


@pytest.mark.parametrize(
    ("count", "size"),
    [
        pytest.param(1, (640, 480), id="one"),
        pytest.param(17, (640, 480), id="many"),
        pytest.param(40, (64, 64), id="many in a small picture"),
        pytest.param(3, (1000, 64), id="in a wide picture"),
    ],
)
def test_things_lie_inside_and_do_not_overlap(count: int, size: tuple[int, int]):
    for seed in range(20):
        scene = compose(CATEGORIES * count, seed=seed, width=size[0], height=size[1])
        assert len(scene.things) == 3 * count
        taken = np.zeros(size[::-1], int)
        for thing in scene.things:
            assert (thing.x >= 0, thing.y >= 0, thing.width > 0, thing.height > 0) == (True,) * 4
            assert (thing.x + thing.width <= size[0], thing.y + thing.height <= size[1]) == (True, True)
            taken[thing.y : thing.y + thing.height, thing.x : thing.x + thing.width] += 1
        assert taken.max() == 1


@pytest.mark.parametrize("style", list(Style))
@pytest.mark.parametrize("category", CATEGORIES, ids=KINDS)
def test_the_picture_shows_a_thing_exactly_where_it_is(style: Style, category):
    for seed in range(5):
        scene = compose([category], seed=seed)
        [thing] = scene.things
        pixels = render(scene, style).astype(int)
        is_red = pixels[..., 0] - pixels[..., 1:].max(axis=2) > 60
        down, across = np.nonzero(is_red)
        found = (across.min(), down.min(), across.max() + 1, down.max() + 1)
        wanted = (thing.x, thing.y, thing.x + thing.width, thing.y + thing.height)
        slack = 0 if style is Style.Plain else 2
        assert np.abs(np.subtract(found, wanted)).max() <= slack


def test_an_outline_touches_its_bounds():
    [thing] = compose([CATEGORIES[2]], seed=1).things
    points = np.array(thing.outline)
    assert points.min(axis=0).tolist() == [thing.x, thing.y]
    assert points.max(axis=0).tolist() == [thing.x + thing.width - 1, thing.y + thing.height - 1]


def test_what_a_picture_is_as_a_whole_colours_it():
    night = make_category("night", type=CategoryType.Classification, color="#0000FF")
    plain, coloured = (render(compose([], seed=0, whole=whole), Style.Plain) for whole in (None, night))
    assert coloured[..., 2].mean() > coloured[..., 0].mean() + 20
    assert plain[..., 2].mean() == plain[..., 0].mean()
