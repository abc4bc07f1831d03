"""All photographs on one picture, with the boxes that were found, and what became of each of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from .sighting import TRANSPORT_NAMES, Judgement, Sighting

COLUMNS = 6
PICTURE = (288, 216)
CAPTION_HEIGHT = 42
GAP = 10
HEADER_HEIGHT = 76

PAPER, INK, GREY = "#16181d", "#f2f2f2", "#9aa0aa"
COLORS = {
    Judgement.CONFIDENT: "#3ddc84",
    Judgement.UNCERTAIN: "#ffc93c",
    Judgement.WEAK: "#7fb3ff",
    Judgement.MISFIRE: "#ff5252",
}
MEANINGS = {
    Judgement.CONFIDENT: "confident: above 0.60",
    Judgement.UNCERTAIN: "uncertain: 0.30 to 0.60",
    Judgement.WEAK: "weak: below 0.30",
    Judgement.MISFIRE: "misfire: no known face there",
}
KEPT = "#d79bff"
MISSED = "#ff9d2e"

DASH, PAUSE = 6, 5

SMALLEST_LABELLED = 36
"""Boxes narrower than this on the sheet get no number; it would hide what it tells about."""


def draw_contact_sheet(sightings: Sequence[Sighting], title: str, file: Path) -> None:
    """Write the sheet as PNG; the photographs in the order given.

    Where their faces are known, it tells misfires and missed faces.
    """
    rows = math.ceil(len(sightings) / COLUMNS)
    cell = (PICTURE[0] + GAP, PICTURE[1] + CAPTION_HEIGHT + GAP)
    sheet = Image.new("RGB", (GAP + COLUMNS * cell[0], HEADER_HEIGHT + rows * cell[1] + GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    knows_faces = any(sighting.photograph.faces is not None for sighting in sightings)
    _draw_header(draw, title, knows_faces)
    for index, sighting in enumerate(sightings):
        left, top = GAP + index % COLUMNS * cell[0], HEADER_HEIGHT + index // COLUMNS * cell[1]
        sheet.paste(_picture_of(sighting), (left, top))
        _draw_caption(draw, sighting, left, top + PICTURE[1] + 3)
        if sighting.causes is not None:
            draw.rectangle((left - 2, top - 2, left + PICTURE[0] + 1, top + PICTURE[1] + 1), outline=KEPT, width=2)
    file.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(file)


def _draw_header(draw: ImageDraw.ImageDraw, title: str, knows_faces: bool) -> None:
    draw.text((GAP, 10), title, fill=INK, font=_font(22))
    x = GAP
    for judgement, meaning in MEANINGS.items():
        if judgement is Judgement.MISFIRE and not knows_faces:
            continue
        draw.rectangle((x, 47, x + 14, 61), outline=COLORS[judgement], width=3)
        x = _draw_meaning(draw, meaning, x)
    if knows_faces:
        _draw_dashed(draw, (x, 47, x + 16, 61))
        x = _draw_meaning(draw, "missed: known face, not found", x)
    draw.rectangle((x, 47, x + 14, 61), fill=KEPT)
    _draw_meaning(draw, "framed: kept for the loop", x)


def _draw_meaning(draw: ImageDraw.ImageDraw, meaning: str, x: int) -> int:
    """Beside a mark at `x`; returns where the next one goes."""
    draw.text((x + 20, 46), meaning, fill=INK, font=_font(14))
    return x + 40 + int(draw.textlength(meaning, font=_font(14)))


def _picture_of(sighting: Sighting) -> Image.Image:
    with Image.open(BytesIO(sighting.photograph.jpeg)) as stored:
        upright = ImageOps.exif_transpose(stored).convert("RGB")
    picture = Image.new("RGB", PICTURE, "black")
    small = ImageOps.contain(upright, PICTURE, Image.Resampling.LANCZOS)
    offset = ((PICTURE[0] - small.width) // 2, (PICTURE[1] - small.height) // 2)
    picture.paste(small, offset)
    draw = ImageDraw.Draw(picture)
    scale = small.width / upright.width
    for face in sighting.missed:
        left, top = offset[0] + face.x * scale, offset[1] + face.y * scale
        _draw_dashed(draw, (left, top, left + face.width * scale, top + face.height * scale))
    for box, judgement in reversed(list(sighting.judged())):  # the surest on top
        left, top = offset[0] + box.x * scale, offset[1] + box.y * scale
        right, bottom = left + box.width * scale, top + box.height * scale
        draw.rectangle((left, top, right, bottom), outline=COLORS[judgement], width=2)
        if right - left >= SMALLEST_LABELLED:
            _draw_label(draw, f"{box.confidence:.2f}", left, top, bottom, COLORS[judgement])
    return picture


def _draw_dashed(draw: ImageDraw.ImageDraw, area: tuple[float, float, float, float]) -> None:
    left, top, right, bottom = area
    for x in np.arange(left, right, DASH + PAUSE):
        for y in (top, bottom):
            draw.line((x, y, min(x + DASH, right), y), fill=MISSED, width=2)
    for y in np.arange(top, bottom, DASH + PAUSE):
        for x in (left, right):
            draw.line((x, y, x, min(y + DASH, bottom)), fill=MISSED, width=2)


def _draw_label(draw: ImageDraw.ImageDraw, text: str, left: float, top: float, bottom: float, color: str) -> None:
    """A number above the box, or below it where there is no room above."""
    width = draw.textlength(text, font=_font(12)) + 6
    top = top - 15 if top >= 15 else min(bottom, PICTURE[1] - 15)
    left = min(max(left, 0), PICTURE[0] - width)
    draw.rectangle((left, top, left + width, top + 14), fill=color)
    draw.text((left + 3, top), text, fill="black", font=_font(12))


def _draw_caption(draw: ImageDraw.ImageDraw, sighting: Sighting, left: int, top: int) -> None:
    photograph = sighting.photograph
    name = photograph.name
    if not name.startswith(photograph.camera):
        name = f"{photograph.camera}: {name}"
    model = f"model {sighting.model_version or '?'} by {TRANSPORT_NAMES[sighting.transport]}"
    _draw_text(draw, name, left, top, PICTURE[0] - draw.textlength(model, font=_font(13)) - 8, INK)
    draw.text((left + PICTURE[0], top), model, fill=GREY, font=_font(13), anchor="ra")
    fate, color = fate_of(sighting)
    fate_width = draw.textlength(fate, font=_font(13))
    draw.text((left + PICTURE[0], top + 18), fate, fill=color, font=_font(13), anchor="ra")
    _draw_text(draw, found_in(sighting), left, top + 18, PICTURE[0] - fate_width - 8, GREY)


def _draw_text(draw: ImageDraw.ImageDraw, text: str, left: int, top: int, room: float, color: str) -> None:
    """As much of the text as there is room for."""
    if draw.textlength(text, font=_font(13)) > room:
        while text and draw.textlength(text + "...", font=_font(13)) > room:
            text = text[:-1]
        text += "..."
    draw.text((left, top), text, fill=color, font=_font(13))


def found_in(sighting: Sighting) -> str:
    """What was found, the surest first: `face 0.93, eye 0.55`."""
    if sighting.error:
        return sighting.error
    return ", ".join(f"{box.category_name} {box.confidence:.2f}" for box in sighting.boxes) or "nothing"


def fate_of(sighting: Sighting) -> tuple[str, str]:
    """What became of the image, and the color of that."""
    if sighting.error:
        return "failed", COLORS[Judgement.MISFIRE]
    if sighting.causes is None:
        return "not kept: seen before" if sighting.is_seen_before else "not kept", GREY
    return f"kept: {' '.join(sighting.causes) or 'no cause'}", KEPT


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
