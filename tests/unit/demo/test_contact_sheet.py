from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("skimage", reason="needs scikit-image (extra [demo])")

from learning_loop_node.client.detector import Transport
from learning_loop_node.data_classes import BoxDetection, ImageMetadata
from learning_loop_node.demo.contact_sheet import (
    COLORS,
    HEADER_HEIGHT,
    MISSED,
    PICTURE,
    draw_contact_sheet,
    fate_of,
    found_in,
)
from learning_loop_node.demo.photographs import Box, Photograph
from learning_loop_node.demo.sighting import Judgement, Sighting
from tests.builders import jpeg, make_box, make_metadata

FACE = Box(10, 10, 100, 100)
ELSEWHERE = Box(200, 10, 100, 100)


@pytest.mark.parametrize(
    ("box", "faces", "expected"),
    [
        pytest.param({"confidence": 0.9}, (FACE,), Judgement.CONFIDENT, id="confident"),
        pytest.param({"confidence": 0.6}, (FACE,), Judgement.UNCERTAIN, id="upper bound"),
        pytest.param({"confidence": 0.3}, (FACE,), Judgement.UNCERTAIN, id="lower bound"),
        pytest.param({"confidence": 0.2}, (FACE,), Judgement.WEAK, id="weak"),
        pytest.param({"confidence": 0.9, "x": 300}, (FACE,), Judgement.MISFIRE, id="beside the face"),
        pytest.param({"confidence": 0.9, "width": 900, "height": 900}, (FACE,), Judgement.MISFIRE, id="far too large"),
        pytest.param({"confidence": 0.9}, (), Judgement.MISFIRE, id="no face there"),
        pytest.param({"confidence": 0.9}, None, Judgement.CONFIDENT, id="nobody knows the faces"),
    ],
)
def test_judgement(box: dict[str, float], faces: tuple[Box, ...] | None, expected: Judgement):
    sighting = sighting_of(make_metadata(box_detections=[make_box(**box)]), faces=faces)
    assert sighting.judgements == {expected}


@pytest.mark.parametrize(
    ("boxes", "faces", "missed"),
    [
        pytest.param([], (FACE,), [FACE], id="nothing found"),
        pytest.param([make_box(width=80, height=80)], (FACE, ELSEWHERE), [ELSEWHERE], id="one of two"),
        pytest.param([make_box(x=300, y=300)], (FACE,), [FACE], id="a misfire"),
        pytest.param([make_box(width=20, height=20)], (FACE,), [FACE], id="an eye only"),
        pytest.param([make_box(width=900, height=900)], (FACE,), [FACE], id="everything at once"),
        pytest.param([make_box(confidence=0.1, width=80, height=80)], (FACE,), [], id="weak"),
        pytest.param([], None, [], id="nobody knows the faces"),
    ],
)
def test_missed_faces(boxes: list[BoxDetection], faces: tuple[Box, ...] | None, missed: list[Box]):
    assert sighting_of(make_metadata(box_detections=boxes), faces=faces).missed == missed


def test_without_an_answer_no_face_is_missed():
    assert sighting_of(None).missed == []


@pytest.mark.parametrize(
    ("answer", "error", "causes", "found", "fate"),
    [
        pytest.param(None, "no answer", None, "no answer", "failed", id="failed"),
        pytest.param(make_metadata(box_detections=[]), None, None, "nothing", "not kept", id="empty"),
        pytest.param(make_metadata(), None, None, "face 0.90", "not kept", id="clear"),
        pytest.param(
            make_metadata(box_detections=[make_box(confidence=0.5)]),
            None,
            None,
            "face 0.50",
            "not kept: seen before",
            id="uncertain but not new",
        ),
        pytest.param(make_metadata(), None, ("uncertain", "novel"), "face 0.90", "kept: uncertain novel", id="kept"),
    ],
)
def test_captions(
    answer: ImageMetadata | None, error: str | None, causes: tuple[str, ...] | None, found: str, fate: str
):
    sighting = sighting_of(answer)
    sighting.error, sighting.causes = error, causes
    assert found_in(sighting) == found
    assert fate_of(sighting)[0] == fate


@pytest.mark.parametrize("count", [pytest.param(0, id="none"), pytest.param(1, id="one"), pytest.param(7, id="rows")])
def test_a_sheet_of_any_length(count: int, tmp_path: Path):
    file = tmp_path / "new folder" / "sheet.png"
    draw_contact_sheet([sighting_of(make_metadata())] * count, "title", file)
    with Image.open(file) as sheet:
        assert sheet.width > 6 * PICTURE[0]
        assert (sheet.height > PICTURE[1]) == (count > 0)


def test_boxes_are_drawn_in_the_color_of_the_judgement(tmp_path: Path):
    draw_contact_sheet([sighting_of(make_metadata(), faces=())], "title", tmp_path / "sheet.png")
    colors = colors_of_picture(tmp_path / "sheet.png")
    assert COLORS[Judgement.MISFIRE] in colors
    assert not {COLORS[Judgement.CONFIDENT], MISSED} & colors


def test_missed_faces_are_drawn(tmp_path: Path):
    draw_contact_sheet([sighting_of(make_metadata(box_detections=[]))], "title", tmp_path / "sheet.png")
    assert MISSED in colors_of_picture(tmp_path / "sheet.png")


@pytest.mark.parametrize(
    ("faces", "is_told"),
    [pytest.param((), True, id="known faces"), pytest.param(None, False, id="own pictures")],
)
def test_the_legend_tells_misfires_and_misses_where_the_faces_are_known(
    faces: tuple[Box, ...] | None, is_told: bool, tmp_path: Path
):
    draw_contact_sheet([sighting_of(make_metadata(), faces=faces)], "title", tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        colors = _colors(sheet.crop((0, 0, sheet.width, HEADER_HEIGHT)).convert("RGB"))
    assert ({COLORS[Judgement.MISFIRE], MISSED} <= colors) == is_told
    assert bool({COLORS[Judgement.MISFIRE], MISSED} & colors) == is_told


def sighting_of(answer: ImageMetadata | None, *, faces: tuple[Box, ...] | None = (FACE,)) -> Sighting:
    photograph = Photograph("entrance-000", "entrance", jpeg(), faces)
    return Sighting(photograph=photograph, transport=Transport.REST, answer=answer)


def colors_of_picture(file: Path) -> set[str]:
    """Those of the first picture on the sheet."""
    with Image.open(file) as sheet:
        return _colors(sheet.crop((10, HEADER_HEIGHT, 10 + PICTURE[0], HEADER_HEIGHT + PICTURE[1])).convert("RGB"))


def _colors(image: Image.Image) -> set[str]:
    pixels = [color for _, color in image.getcolors(1_000_000) or [] if isinstance(color, tuple)]
    return {"#{:02x}{:02x}{:02x}".format(*color) for color in pixels}
