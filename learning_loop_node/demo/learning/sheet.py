"""Some of the images that were held out, three times each: the truth, what the first model finds, and the second."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from ...data_classes import Category, ImageMetadata
from ...enums import CategoryType
from .score import Score
from .world import Shot

ROWS = 8
GAP = 10
HEADER_HEIGHT = 84
CAPTION_HEIGHT = 22
POINT_RADIUS = 6

PAPER, INK, GREY = "#16181d", "#f2f2f2", "#9aa0aa"


def draw_sheet(
    shots: Sequence[Shot], scores: Sequence[Score], versions: Sequence[str], categories: Sequence[Category], file: Path
) -> None:
    """Write the sheet as PNG. Of the shots it shows those on which the models differ most, in the order given.

    The detections drawn are those that a user of a model sees: of the confidence that its `model.json` names, and more.
    """
    shown = _most_different(scores, ROWS)
    width, height = shots[0].scene.pixels.shape[1], shots[0].scene.pixels.shape[0]
    columns = ["truth", *(f"model {version}" for version in versions)]
    cell = (width + GAP, height + CAPTION_HEIGHT + GAP)
    sheet = Image.new("RGB", (GAP + len(columns) * cell[0], HEADER_HEIGHT + len(shown) * cell[1]), PAPER)
    draw = ImageDraw.Draw(sheet)
    _draw_header(draw, columns, cell[0], categories, scores)
    for row, number in enumerate(shown):
        top = HEADER_HEIGHT + row * cell[1]
        pictures = [_truth(shots[number]), *(_answer(shots[number], score.seen[number]) for score in scores)]
        for column, picture in enumerate(pictures):
            left = GAP + column * cell[0]
            sheet.paste(picture, (left, top))
            text = shots[number].name if column == 0 else _counts(scores[column - 1], number)
            draw.text((left, top + height + 3), text, fill=GREY, font=_font(13))
    file.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(file)


def _most_different(scores: Sequence[Score], count: int) -> list[int]:
    def difference(number: int) -> int:
        return -abs(scores[1].mistakes[number] - scores[0].mistakes[number])

    numbers = range(len(scores[0].mistakes))
    return sorted(sorted(numbers, key=difference)[:count])


def _counts(score: Score, number: int) -> str:
    right, mistakes = score.right[number], score.mistakes[number]
    return f"{right} right, {mistakes} wrong or missed"


def _draw_header(
    draw: ImageDraw.ImageDraw,
    columns: Sequence[str],
    width: int,
    categories: Sequence[Category],
    scores: Sequence[Score],
) -> None:
    x = GAP
    for category in categories:
        draw.rectangle((x, 12, x + 14, 26), outline=_color(category), width=3)
        draw.text((x + 20, 11), category.name, fill=INK, font=_font(14))
        x += 44 + int(draw.textlength(category.name, font=_font(14)))
    for column, title in enumerate(columns):
        left = GAP + column * width
        draw.text((left, 38), title, fill=INK, font=_font(20))
        below = "held-out images on which they differ most" if column == 0 else f"mAP50 {scores[column - 1].map50:.3f}"
        draw.text((left, 62), below, fill=GREY, font=_font(13))


def _truth(shot: Shot) -> Image.Image:
    picture = Image.fromarray(shot.scene.pixels)
    draw = ImageDraw.Draw(picture)
    for thing in shot.scene.things:
        if thing.category.type == CategoryType.Point:
            _draw_point(draw, *thing.center, _color(thing.category))
        else:
            _draw_box(draw, *thing.box, _color(thing.category))
    return picture


def _answer(shot: Shot, found: ImageMetadata) -> Image.Image:
    picture = Image.fromarray(shot.scene.pixels)
    draw = ImageDraw.Draw(picture)
    colors: dict[str | None, str] = {category.id: _color(category) for category in shot.scene.recipe.categories}
    for box in found.box_detections:
        color = colors[box.category_id]
        _draw_box(draw, box.x, box.y, box.width, box.height, color)
        draw.text((box.x + 3, box.y + 2), f"{box.confidence:.2f}", fill=color, font=_font(11))
    for point in found.point_detections:
        _draw_point(draw, point.x, point.y, colors[point.category_id])
    return picture


def _draw_box(draw: ImageDraw.ImageDraw, x: int, y: int, width: int, height: int, color: str) -> None:
    draw.rectangle((x, y, x + width - 1, y + height - 1), outline=color, width=2)


def _draw_point(draw: ImageDraw.ImageDraw, x: float, y: float, color: str) -> None:
    draw.ellipse((x - POINT_RADIUS, y - POINT_RADIUS, x + POINT_RADIUS, y + POINT_RADIUS), outline=color, width=2)


def _color(category: Category) -> str:
    return category.color or INK


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
