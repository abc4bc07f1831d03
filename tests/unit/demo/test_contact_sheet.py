from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("skimage", reason="needs scikit-image (extra [demo])")

from learning_loop_node.client.detector import Transport
from learning_loop_node.data_classes import ImageMetadata
from learning_loop_node.demo.contact_sheet import COLORS, PICTURE, draw_contact_sheet, fate_of, found_in
from learning_loop_node.demo.photographs import Box, Photograph
from learning_loop_node.demo.sighting import Judgement, Sighting
from tests.builders import jpeg, make_box, make_metadata

FACE = Box(10, 10, 100, 100)


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
    with Image.open(tmp_path / "sheet.png") as sheet:
        picture = sheet.crop((10, 76, 10 + PICTURE[0], 76 + PICTURE[1])).convert("RGB")
    colors = {"#{:02x}{:02x}{:02x}".format(*color) for color in _colors(picture)}
    assert COLORS[Judgement.MISFIRE] in colors
    assert COLORS[Judgement.CONFIDENT] not in colors


def sighting_of(answer: ImageMetadata | None, *, faces: tuple[Box, ...] | None = (FACE,)) -> Sighting:
    photograph = Photograph("entrance-000", "entrance", jpeg(), faces)
    return Sighting(photograph=photograph, transport=Transport.REST, answer=answer)


def _colors(image: Image.Image) -> Iterator[tuple[int, ...]]:
    for _, color in image.getcolors(1_000_000) or []:
        assert isinstance(color, tuple)
        yield color
