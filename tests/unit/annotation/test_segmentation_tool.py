"""The tool in `mock_nodes/segmentation_tool`, on drawn scenes whose outlines are known."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from learning_loop_node.data_classes import AnnotationData, Category, Context, Point, ToolOutput, UserInput
from learning_loop_node.enums import AnnotationEventType
from learning_loop_node.generator.scenes import Style, Thing, compose, render
from learning_loop_node.geometry.polygons import to_mask
from learning_loop_node.images import encode_jpeg
from mock_nodes.segmentation_tool.logic import SegmentationTool

pytest.importorskip("cv2", reason="needs OpenCV (extra [demo])")
from mock_nodes.segmentation_tool.grab_cut import cut_out

LEAF = Category(id="leaf", name="leaf", type="segmentation", color="#C04020")
FULL_HD = (1920, 1080)
AROUND = 12
"""Pixels between a thing and the box that somebody drags around it."""


def scene(
    seed: int, *, size: tuple[int, int] = FULL_HD, count: int = 1, style: Style = Style.Beautiful
) -> tuple[bytes, list[Thing]]:
    drawn = compose([LEAF] * count, seed=seed, width=size[0], height=size[1])
    return encode_jpeg(render(drawn, style)), list(drawn.things)


def box_around(*things: Thing) -> tuple[int, int, int, int]:
    return (
        min(thing.x for thing in things) - AROUND,
        min(thing.y for thing in things) - AROUND,
        max(thing.x + thing.width for thing in things) + AROUND,
        max(thing.y + thing.height for thing in things) + AROUND,
    )


def likeness(outline: np.ndarray, thing: Thing, size: tuple[int, int] = FULL_HD) -> float:
    """Intersection over union of what was found and what was drawn."""
    width, height = size
    found, truth = to_mask(outline, height, width), to_mask(np.array(thing.outline), height, width)
    return float((found & truth).sum() / (found | truth).sum())


@pytest.mark.parametrize("seed", range(1, 6))
@pytest.mark.parametrize("size", [FULL_HD, (640, 480)], ids=["1080p", "VGA"])
def test_a_box_finds_the_thing(seed: int, size: tuple[int, int]):
    image, [thing] = scene(seed, size=size)
    assert likeness(cut_out(image, box_around(thing)), thing, size) > 0.95
    image, [thing] = scene(seed, size=size, style=Style.Plain)
    assert likeness(cut_out(image, box_around(thing)), thing, size) > 0.95


def test_the_corners_of_the_box_may_come_in_any_order():
    image, [thing] = scene(1, size=(640, 480))
    x1, y1, x2, y2 = box_around(thing)
    there, back = cut_out(image, (x1, y1, x2, y2)), cut_out(image, (x2, y1, x1, y2))
    assert np.array_equal(there, back)


def test_a_stroke_takes_away_what_is_not_meant():
    image, (one, other) = scene(3, size=(640, 480), count=2, style=Style.Plain)
    box = box_around(one, other)
    for meant, not_meant in ((one, other), (other, one)):
        strokes = [(True, across(meant)), (False, across(not_meant))]
        found = cut_out(image, box, strokes)
        # Both have one colour, so that only the strokes and what lies between can tell them apart.
        assert likeness(found, meant, (640, 480)) > likeness(found, not_meant, (640, 480))
        x, y = (round(value) for value in not_meant.center)
        assert not to_mask(found, 480, 640)[y, x]


def test_a_stroke_adds_what_was_missed():
    image, [thing] = scene(2, size=(640, 480), style=Style.Plain)
    x1, y1, x2, y2 = box_around(thing)
    half = (x1, y1, (x1 + x2) // 2, y2)
    before, after = cut_out(image, half), cut_out(image, half, [(True, across(thing))])
    assert likeness(after, thing, (640, 480)) > likeness(before, thing, (640, 480))


def across(thing: Thing) -> list[tuple[int, int]]:
    x, y = (round(value) for value in thing.center)
    return [(x - thing.width // 4, y), (x, y), (x + thing.width // 4, y)]


def test_tolerance_leaves_corners_out():
    image, [thing] = scene(1)
    fine, coarse = (cut_out(image, box_around(thing), tolerance=tolerance) for tolerance in (0.5, 8.0))
    assert 3 <= len(coarse) < len(fine)
    assert likeness(coarse, thing) > 0.8


@pytest.mark.parametrize(
    ("box", "strokes"),
    [
        pytest.param((10, 10, 10, 10), [], id="a box without area"),
        pytest.param((-50, -50, -10, -10), [], id="a box outside"),
        pytest.param((700, 500, 900, 900), [], id="a box beyond the other side"),
        pytest.param((10, 10, 100, 100), [(False, [(0, 0), (200, 200)])] * 60, id="one stroke after the other"),
    ],
)
def test_where_nothing_is_nothing_is_found(box: Any, strokes: Any):
    image, _ = scene(1, size=(640, 480))
    assert len(cut_out(image, box, strokes)) in (0, *range(3, 500))
    if not strokes:
        assert len(cut_out(image, box, strokes)) == 0


@pytest.mark.parametrize("box", [(0, 0, 640, 480), (-100, -100, 900, 900)], ids=["whole", "beyond"])
def test_a_box_around_the_whole_image(box: Any):
    image, [thing] = scene(4, size=(640, 480), style=Style.Plain)
    assert likeness(cut_out(image, box, [(True, across(thing))]), thing, (640, 480)) > 0.9


class Hand:
    """A person with a mouse over one image."""

    def __init__(self, tool: SegmentationTool, image_id: str = "image") -> None:
        self.tool, self.image_id = tool, image_id
        self.history = tool.create_empty_history()

    async def do(self, event: str, x: int = 0, y: int = 0, **more: Any) -> ToolOutput:
        data = AnnotationData(
            coordinate=Point(x=x, y=y),
            event_type=event,
            context=Context(organization="zauberzeug", project="demo"),
            image_uuid=self.image_id,
            category=LEAF,
            **more,
        )
        return await self.tool.handle_user_input(UserInput(frontend_id="ada", data=data), self.history)

    async def drag(self, *points: tuple[int, int], button: str = "left", **more: Any) -> ToolOutput:
        await self.do(f"{button}_mouse_down", *points[0], **more)
        for point in points[1:-1]:
            await self.do("mouse_move", *point, **more)
        return await self.do(f"{button}_mouse_up", *points[-1], **more)


class Node:
    """Has the image of a test."""

    def __init__(self, folder: Path, image: bytes) -> None:
        self.file = folder / "image.jpg"
        self.file.write_bytes(image)

    def image_file(self, _context: Context, _uuid: str) -> Path:
        return self.file


@pytest.fixture
def asked() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def hand(tmp_path: Path, asked: list[dict[str, Any]]) -> Hand:
    """With a tool that finds a triangle, and notes what it was asked."""

    def triangle(image: bytes, box: Any, strokes: Any, *, tolerance: float) -> np.ndarray:
        asked.append({"box": box, "strokes": strokes, "tolerance": tolerance})
        return np.array([[0.4, 0], [9, 0], [9, 9.6]])

    tool = SegmentationTool(triangle)
    tool.init(Node(tmp_path, b"image"))  # type: ignore[arg-type]
    return Hand(tool)


async def test_a_box_is_shown_while_it_is_dragged(hand, asked):
    assert (await hand.do("mouse_move", 5, 5)).svg == ""
    await hand.do("left_mouse_down", 90, 80)
    output = await hand.do("mouse_move", 10, 20)
    assert output.svg == '<rect x="10" y="20" width="80" height="60" fill="none" stroke="#C04020"/>'
    output = await hand.do("left_mouse_up", 10, 20)
    assert output.svg.startswith('<polygon points="0,0 9,0 9,10" fill="#C04020"')
    assert asked == [{"box": (90, 80, 10, 20), "strokes": [], "tolerance": 2.0}]
    assert output.annotation is None


async def test_a_click_is_no_box(hand, asked):
    assert (await hand.drag((5, 5), (6, 6))).svg == ""
    assert asked == []
    assert (await hand.do("key_down", key_down="Enter")).annotation is None


async def test_strokes_say_what_belongs_to_it(hand, asked):
    await hand.drag((0, 0), (90, 80))
    await hand.do("left_mouse_down", 10, 10)
    assert 'points="10,10" fill="none" stroke="lime"' in (await hand.do("key_down", key_down="a")).svg
    assert 'points="10,10 20,20" fill="none" stroke="lime"' in (await hand.do("mouse_move", 20, 20)).svg
    await hand.do("left_mouse_up", 30, 30)
    await hand.drag((1, 1), (2, 2), button="right")
    await hand.drag((3, 3), (4, 4), is_shift_key_pressed=True, epsilon=0.5)
    assert asked[-1] == {
        "box": (0, 0, 90, 80),
        "strokes": [
            (True, [(10, 10), (20, 20), (30, 30)]),
            (False, [(1, 1), (2, 2)]),
            (False, [(3, 3), (4, 4)]),
        ],
        "tolerance": 0.5,
    }


async def test_enter_finishes_and_the_next_box_is_another_annotation(hand, asked):
    await hand.drag((0, 0), (90, 80))
    first = (await hand.do("key_down", key_down="Enter")).annotation
    assert (first.image_id, first.category_id) == ("image", "leaf")
    assert first.shape.points == [Point(x=0, y=0), Point(x=9, y=0), Point(x=9, y=10)]
    assert (await hand.do("key_up", key_up="Enter")).annotation == first
    await hand.drag((5, 5), (50, 50))
    second = (await hand.do("key_down", key_down="Enter")).annotation
    assert second.id != first.id
    assert asked[-1] == {"box": (5, 5, 50, 50), "strokes": [], "tolerance": 2.0}


async def test_another_image_begins_anew(hand):
    await hand.drag((0, 0), (90, 80))
    hand.image_id = "other"
    assert (await hand.do("mouse_move", 1, 1)).svg == ""


async def test_a_name_for_a_colour_does_not_leave_the_picture(hand):
    await hand.drag((0, 0), (90, 80))
    evil = Category(id="leaf", name="leaf", type="segmentation", color='"/><script>')
    data = AnnotationData(
        coordinate=Point(x=0, y=0),
        event_type=AnnotationEventType.MouseMove,
        context=Context(organization="zauberzeug", project="demo"),
        image_uuid="image",
        category=evil,
    )
    output = await hand.tool.handle_user_input(UserInput(frontend_id="ada", data=data), hand.history)
    assert "<script>" not in output.svg


async def test_the_event_loop_goes_on_meanwhile(tmp_path: Path):
    image, [thing] = scene(1)
    tool = SegmentationTool(cut_out)
    tool.init(Node(tmp_path, image))  # type: ignore[arg-type]
    hand = Hand(tool)
    x1, y1, x2, y2 = box_around(thing)
    dragged = asyncio.ensure_future(hand.drag((x1, y1), (x2, y2)))
    turns = 0
    while not dragged.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 100
    outline = np.array([(point.x, point.y) for point in hand.history["outline"]])
    assert likeness(outline, thing) > 0.95
    assert (await hand.do("key_up", key_up="Enter")).annotation is not None
