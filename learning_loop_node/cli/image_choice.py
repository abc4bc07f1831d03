"""Which images a command is about: filters as `name=value`, and ids."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ..client.images import ImageFilter, ImageRecord
    from ..client.loop import LoopClient

HINT = "IMAGES"
LISTS = ("state", "set", "tag")

Images = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[IMAGES]...",
        help="Filters such as `state=inbox` `tag=night` `created_since=2026-01-31` `annotated=no`, which must all be "
        "true, or the ids of images. Several of `state` or `set`: one of them; of `tag`: all.",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True)
class Choice:
    """Images by their ids or by a filter."""

    ids: Sequence[str]
    wanted: ImageFilter

    async def records(
        self, loop: LoopClient, *, sort: str = "arrival", fields: str = "image"
    ) -> AsyncIterator[ImageRecord]:
        """What the loop knows of them; `NotFoundError` for an id that it does not know."""
        if not self.ids:
            async for record in loop.images.find(self.wanted, sort=sort, fields=fields, page_size=1000):
                yield record
        for image_id in self.ids:
            yield await self._one(loop, image_id)

    async def _one(self, loop: LoopClient, image_id: str) -> ImageRecord:
        from ..client.images import ImageFilter
        from ..errors import NotFoundError

        page = await loop.images.page(ImageFilter(id=image_id, deleted=self.wanted.deleted), fields="image", limit=2)
        for record in page.images:
            if record.id == image_id:
                return record
        raise NotFoundError(f"there is no image {image_id} in {loop.context.organization}/{loop.context.project}")


def choice_of(words: Sequence[str] | None, *, everything: bool = True, deleted: str = "no") -> Choice:
    """The choice that these words make; none of them means all images, if `everything` allows it."""
    from ..client.images import ImageFilter

    ids = [word for word in words or () if "=" not in word]
    given: dict[str, Any] = {}
    for word in words or ():
        name, separator, text = word.partition("=")
        if separator:
            _add(given, name, text)
    if ids and given:
        raise typer.BadParameter("give either filters or ids", param_hint=HINT)
    if not everything and not ids and not given:
        raise typer.BadParameter("say which images: by filters, by ids, or with --all", param_hint=HINT)
    return Choice(ids, ImageFilter(**{"deleted": deleted} | given))


def _add(given: dict[str, Any], name: str, text: str) -> None:
    from ..client.images import ImageFilter

    known = {field.name: str(field.type) for field in fields(ImageFilter)}
    if name not in known:
        raise typer.BadParameter(f"{name}: there is no such filter; there are {', '.join(known)}", param_hint=HINT)
    if name in LISTS:
        given[name] = [*given.get(name, ()), text]
        return
    try:
        given[name] = _value(text, known[name])
    except ValueError as error:
        raise typer.BadParameter(f"{name}={text} cannot be understood", param_hint=HINT) from error


def _value(text: str, kind: str) -> Any:
    if kind.startswith("bool"):
        return _truth(text)
    if kind.startswith("datetime"):
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.astimezone()
    return float(text) if kind.startswith("float") else text


def _truth(text: str) -> bool:
    if text.lower() not in ("yes", "no", "true", "false"):
        raise ValueError(text)
    return text.lower() in ("yes", "true")
