"""Numbers for ids, since COCO wants numbers: the one that a foreign data set gave, or one that is always the same."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from ..dataset import DatasetCategory
from .fields import is_id, of_coco

_FIRST, _LAST = 2**31, 2**52


class Numbers:
    """Gives every id a number of its own."""

    def __init__(self) -> None:
        self._taken: set[Any] = set()

    def take(self, id_: str, properties: dict[str, Any]) -> Any:
        """What COCO called it, else the number that the id is, else one that is made from the id."""
        foreign = of_coco(properties).get("id")
        wanted = foreign if is_id(foreign) else as_number(id_)
        number = wanted if wanted is not None and wanted not in self._taken else _hashed(id_)
        while number in self._taken:
            number += 1
        self._taken.add(number)
        return number


def class_numbers(classes: Sequence[DatasetCategory]) -> dict[str, Any]:
    """A number for every class: small ones, since programs make tables that long."""
    numbers: dict[str, Any] = {}
    for category in classes:
        foreign = of_coco(category.properties).get("id")
        wanted = foreign if is_id(foreign) else as_number(category.id)
        if wanted is not None and wanted not in numbers.values():
            numbers[category.id] = wanted
    following = 1
    for category in classes:
        if category.id not in numbers:
            while following in numbers.values():
                following += 1
            numbers[category.id] = following
    return numbers


def as_number(id_: str) -> int | None:
    """`17` for "17", None for what would not come back as the same text."""
    is_plain = id_.isascii() and id_.isdecimal() and (id_ == "0" or not id_.startswith("0"))
    return int(id_) if is_plain and len(id_) < 10 else None


def _hashed(id_: str) -> int:
    digest = hashlib.sha256(id_.encode(errors="surrogatepass")).digest()
    return _FIRST + int.from_bytes(digest[:8], "big") % (_LAST - _FIRST)
