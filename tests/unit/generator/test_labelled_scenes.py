"""Labels are exact to the pixel, the same seed is the same scene, and difficulty makes it harder."""

from __future__ import annotations

import math
from collections import Counter
from itertools import chain
from typing import Any

import numpy as np
import pytest

from learning_loop_node.data_classes import BoxAnnotation, PointAnnotation, SegmentationAnnotation
from learning_loop_node.enums import CategoryType
from learning_loop_node.errors import InvalidDataError
from learning_loop_node.geometry.polygons import to_mask
from tests.builders import make_category

pytest.importorskip("cv2", reason="needs OpenCV (extra [onnx])")

from learning_loop_node.generator.scenes.drawing import draw
from learning_loop_node.generator.scenes.exposure import exposed
from learning_loop_node.generator.scenes.labelled import LabelledScene, SceneRecipe, labelled_scene, labelled_scenes
from learning_loop_node.generator.scenes.looks import LOOKS, RESEMBLING
from learning_loop_node.generator.scenes.recipe import CATEGORIES
from learning_loop_node.generator.scenes.sprites import SIDE, sprites_of
from learning_loop_node.generator.scenes.staging import Prop, cast, staged

LEVELS = (0.0, 0.5, 1.0)
ALONE: dict[str, Any] = {"things": (1, 1), "resembling": (0, 0)}


@pytest.fixture(scope="module")
def scenes() -> dict[float, list[LabelledScene]]:
    """Some scenes of each difficulty."""
    return {level: list(labelled_scenes(SceneRecipe(difficulty=level), 60)) for level in LEVELS}


def test_a_scene_may_be_empty():
    scene = labelled_scene(SceneRecipe(things=(0, 0), resembling=(0, 0)), seed=0)
    assert scene.pixels.shape == (240, 320, 3)
    assert scene.pixels.dtype == np.uint8
    assert (scene.things, scene.to_annotations()) == ((), [])
    assert labelled_scene(SceneRecipe(categories=()), seed=0).things == ()


@pytest.mark.parametrize("difficulty", LEVELS)
def test_the_same_seed_is_the_same_scene_whatever_was_drawn_before(difficulty: float):
    recipe = SceneRecipe(difficulty=difficulty)
    forwards = [labelled_scene(recipe, seed) for seed in range(4)]
    list(labelled_scenes(SceneRecipe(size=(64, 48), difficulty=0.9), 3))
    backwards = [labelled_scene(recipe, seed) for seed in reversed(range(4))][::-1]
    for one, other in zip(forwards, backwards, strict=True):
        assert np.array_equal(one.pixels, other.pixels)
        assert one.to_annotations() == other.to_annotations()
    assert not np.array_equal(forwards[0].pixels, forwards[1].pixels)


def test_scenes_stay_what_they_are():
    """Whoever changes them on purpose writes the new figures here. Photographs are left out: they may change."""
    recipe = SceneRecipe(has_photographs=False)
    scenes = list(labelled_scenes(recipe, 3, first_seed=7))
    found = [(thing.category.name, thing.box, round(thing.visible, 2)) for scene in scenes for thing in scene.things]
    assert found == GOLDEN_THINGS
    colors = np.array([scene.pixels.reshape(-1, 3).mean(axis=0) for scene in scenes])
    assert np.abs(colors - GOLDEN_COLORS).max() < 1.5


GOLDEN_THINGS = [
    ("bucket", (260, 117, 32, 45), 1.0),
    ("bucket", (108, 122, 45, 46), 0.59),
    ("crate", (0, 114, 93, 67), 0.81),
    ("drum", (188, 101, 37, 52), 0.58),
    ("cone", (180, 115, 48, 63), 0.82),
    ("marker", (79, 109, 74, 114), 1.0),
    ("drum", (119, 106, 94, 105), 0.89),
]
GOLDEN_COLORS = np.array([[132.7, 151.2, 177.2], [136.5, 165.9, 153.3], [60.6, 67.8, 72.7]])


@pytest.mark.parametrize("difficulty", LEVELS)
def test_boxes_and_polygons_are_those_of_the_visible_pixels(scenes, difficulty: float):
    for scene in scenes[difficulty]:
        height, width = scene.pixels.shape[:2]
        taken = np.zeros((height, width), int)
        for thing in scene.things:
            x, y, across, down = thing.box
            assert (x >= 0, y >= 0, x + across <= width, y + down <= height) == (True,) * 4
            assert thing.mask.shape == (down, across)
            assert all(edge.any() for edge in (thing.mask[0], thing.mask[-1], thing.mask[:, 0], thing.mask[:, -1]))
            assert 0.3 <= thing.visible <= 1
            taken[y : y + down, x : x + across] += thing.mask
            filled = np.zeros((height, width), bool)
            for polygon in thing.polygons():
                filled ^= to_mask(polygon, height, width)
            assert np.array_equal(filled[y : y + down, x : x + across], thing.mask)
            assert filled.sum() == thing.mask.sum()
            low, high = np.vstack(thing.polygons()).min(axis=0), np.vstack(thing.polygons()).max(axis=0)
            assert (*low, *(high - low)) == thing.box
            assert any(np.array_equal(thing.polygon(), one) for one in thing.polygons())
        assert taken.max(initial=0) <= 1, "two things have the same pixel"


@pytest.mark.parametrize("difficulty", LEVELS)
def test_points_are_on_what_they_mark_and_other_centers_in_the_middle(scenes, difficulty: float):
    kinds = set()
    for thing in chain.from_iterable(scene.things for scene in scenes[difficulty]):
        kinds.add(thing.category.type)
        across, down = thing.center
        if thing.category.type == CategoryType.Point:
            assert thing.mask[math.floor(down) - thing.y, math.floor(across) - thing.x]
        else:
            assert thing.center == (thing.x + thing.width / 2, thing.y + thing.height / 2)
    assert kinds == {CategoryType.Point, CategoryType.Box}


def props_of(name: str) -> list[Prop]:
    """A thing of this name as it is put into scenes, some inside the picture and some beyond its edges."""
    recipe = SceneRecipe(categories=[c for c in CATEGORIES if c.name == name], difficulty=0.7, **ALONE)
    return [staged(np.random.default_rng(seed), recipe, 60.0)[0] for seed in range(12)]


@pytest.mark.parametrize("name", LOOKS)
def test_a_thing_has_the_pixels_that_show_it(name: str):
    """On white and on black, a pixel of a thing is the same; one beside it is as the ground, but for the shadow."""
    for prop in props_of(name):
        black, white = np.zeros((240, 320, 3), np.uint8), np.full((240, 320, 3), 255, np.uint8)
        owners = np.zeros((240, 320), np.uint16)
        drawn = draw(black, owners, prop, 1)
        draw(white, owners, prop, 1)
        through = white[..., 0].astype(int) - black[..., 0]
        assert (owners[through < 40] == 1).all()
        assert (through[owners == 1] < 160).all()
        assert np.count_nonzero((owners == 1) & (through > 20)) < 0.25 * drawn.pixel_count + 20  # edges only
        rows, columns = np.nonzero(owners)
        x0, y0, x1, y1 = drawn.window
        assert (columns.min() >= x0, rows.min() >= y0, columns.max() < x1, rows.max() < y1) == (True,) * 4


@pytest.mark.parametrize("name", LOOKS)
def test_what_is_cut_off_counts_as_hidden(name: str):
    [prop] = props_of(name)[:1]
    prop.across, prop.base, prop.height = 160.0, 200.0, 90.0
    canvas = np.zeros((240, 320, 3), np.uint8)
    whole = draw(canvas, np.zeros((240, 320), np.uint16), prop, 1).pixel_count
    owners = np.zeros((240, 320), np.uint16)
    prop.across = 0.0
    assert abs(draw(canvas, owners, prop, 1).pixel_count - whole) <= 0.01 * whole
    assert 0.2 < np.count_nonzero(owners) / whole < 0.8
    prop.across = -400.0
    assert draw(canvas, owners, prop, 2).pixel_count == 0


def test_the_picture_shows_a_thing_where_it_is_and_nothing_elsewhere():
    for seed in range(20):
        there = SceneRecipe(difficulty=0, **ALONE)
        nothing = SceneRecipe(difficulty=0, things=(0, 0), resembling=(0, 0))
        scene, ground = labelled_scene(there, seed), labelled_scene(nothing, seed)
        change = np.abs(scene.pixels.astype(int) - ground.pixels).max(axis=2)
        for thing in scene.things:
            shown = change[thing.y : thing.y + thing.height, thing.x : thing.x + thing.width]
            assert (shown[thing.mask] > 4).mean() > 0.8
            around = max(thing.width, thing.height) // 2 + 4
            top, left = max(0, thing.y - around), max(0, thing.x - around)
            change[top : thing.y + thing.height + around, left : thing.x + thing.width + around] = 0
            assert change.max() == 0


def test_light_blur_and_noise_move_nothing():
    for seed in range(10):
        canvas = np.zeros((120, 160, 3), np.uint8)
        canvas[40:80, 60:110] = 200
        shown = exposed(np.random.default_rng(seed), canvas, 1.0).astype(float).mean(axis=2)
        is_bright = shown > 0.5 * (shown[45:75, 65:105].mean() + shown[:30].mean())
        weights = is_bright / is_bright.sum()
        center = (weights.sum(axis=0) @ np.arange(160) + 0.5, weights.sum(axis=1) @ np.arange(120) + 0.5)
        assert np.abs(np.subtract(center, (85, 60))).max() < 3


@pytest.mark.parametrize("balance", [{}, {"cone": 0.3}, {"crate": 0, "drum": 5}], ids=str)
def test_categories_appear_as_often_as_the_balance_says(balance: dict[str, float]):
    recipe = SceneRecipe(balance=balance)
    found = Counter(chain.from_iterable(cast(np.random.default_rng(seed), recipe) for seed in range(2000)))
    total = sum(found[name] for name in LOOKS)
    expected = np.array(recipe.weights) / sum(recipe.weights)
    assert [found[name] / total for name in LOOKS] == pytest.approx(expected.tolist(), abs=0.02)
    assert set(found) <= {*LOOKS, *RESEMBLING}


def test_labels_keep_the_balance(scenes):
    found = Counter(thing.category.name for level in LEVELS for scene in scenes[level] for thing in scene.things)
    assert 0.03 < found["cone"] / found.total() < 0.13
    assert all(0.15 < found[name] / found.total() < 0.35 for name in LOOKS if name != "cone")


def test_difficulty_makes_things_smaller_more_hidden_and_more(scenes):
    sizes, visible, counts = [], [], []
    for level in LEVELS:
        things = [thing for scene in scenes[level] for thing in scene.things]
        sizes.append(np.median([max(thing.width, thing.height) for thing in things]))
        visible.append(np.mean([thing.visible for thing in things]))
        counts.append(len(things))
    assert sizes[0] > 1.15 * sizes[1] > 1.15**2 * sizes[2]
    assert visible[0] > visible[1] + 0.02 > visible[2] + 0.04
    assert counts[0] < counts[1] < counts[2]


def test_difficulty_adds_noise():
    canvas = np.full((120, 160, 3), 128, np.uint8)
    deviations = [
        np.mean([exposed(np.random.default_rng(seed), canvas, level).std(axis=(0, 1)).mean() for seed in range(20)])
        for level in LEVELS
    ]
    assert 0 < deviations[0] < deviations[1] < deviations[2]


@pytest.mark.parametrize("size", [(64, 48), (48, 200), (640, 480)], ids=str)
def test_scenes_of_other_sizes(size: tuple[int, int]):
    scenes = list(labelled_scenes(SceneRecipe(size=size, difficulty=0.3), 8))
    assert {scene.pixels.shape for scene in scenes} == {(size[1], size[0], 3)}
    assert sum(len(scene.things) for scene in scenes) >= 8


def test_annotations_are_of_the_kind_that_the_category_has():
    kinds = {CategoryType.Box: BoxAnnotation, CategoryType.Point: PointAnnotation}
    kinds |= {CategoryType.Segmentation: SegmentationAnnotation}
    for kind, expected in kinds.items():
        recipe = SceneRecipe(categories=[make_category("crate", type=kind)], difficulty=0, **ALONE)
        scene = next(scene for scene in labelled_scenes(recipe, 20) if scene.things)
        [annotation], [thing] = scene.to_annotations("some-image"), scene.things
        assert isinstance(annotation, expected)
        assert annotation.category_id == "id-of-crate"
        match annotation:
            case BoxAnnotation():
                assert (annotation.x, annotation.y, annotation.width, annotation.height) == thing.box
            case PointAnnotation():
                assert (annotation.x, annotation.y) == pytest.approx(thing.center, abs=0.01)
            case SegmentationAnnotation():
                corners = [(point.x, point.y) for point in annotation.shape.points]
                assert np.array_equal(corners, thing.polygon())
                assert annotation.image_id == "some-image"


@pytest.mark.parametrize("name", [*LOOKS, *RESEMBLING])
def test_a_look_has_many_examples_that_fit_into_their_picture(name: str):
    sprites = sprites_of(name)
    assert len(sprites) >= 20
    for sprite in sprites:
        left, top, right, bottom = sprite.bounds
        height, width = sprite.levels[0].cover.shape[:2]
        assert (left > 0, top > 0, right < width, bottom < height, width <= SIDE + 8, height <= SIDE + 8) == (True,) * 6
        assert min(right - left, bottom - top) > 0.15 * SIDE
    colors = [sprite.levels[-1].rgb.reshape(-1, 3).mean(axis=0) for sprite in sprites]
    assert np.std(colors, axis=0).max() > 4, "all in one colour"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"categories": [make_category("unicorn")]}, "'unicorn' has no look", id="look"),
        pytest.param({"categories": [make_category("cone", type="classification")]}, "must be box", id="type"),
        pytest.param({"categories": [CATEGORIES[0], CATEGORIES[0]]}, "once only", id="twice"),
        pytest.param({"size": (20, 240)}, "size: both sides", id="size"),
        pytest.param({"difficulty": 1.1}, "difficulty: must be", id="difficulty"),
        pytest.param({"difficulty": math.nan}, "difficulty: must be", id="no number"),
        pytest.param({"least_visible": -0.1}, "least_visible: must be", id="visible"),
        pytest.param({"things": (3, 1)}, "things: must be", id="things"),
        pytest.param({"resembling": (-1, 1)}, "resembling: must be", id="resembling"),
        pytest.param({"balance": {"unicorn": 1}}, "unicorn are no looks", id="balance of what is not there"),
        pytest.param({"balance": {"cone": -1}}, "must be 0 or more", id="less than nothing"),
        pytest.param({"balance": dict.fromkeys(LOOKS, 0)}, "at least one", id="nothing at all"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused(changes, message: str):
    with pytest.raises(InvalidDataError, match=message):
        SceneRecipe(**changes)
