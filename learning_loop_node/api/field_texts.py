"""What is wrong with a field, in words for people who send it: the texts of the library that checks speak of types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def field_text(entry: Mapping[str, Any]) -> str:
    """One entry of `ValidationError.errors()` as a sentence that begins with the place.

    >>> field_text({"loc": ("body", "limit"), "type": "int_type", "msg": "Input should be a valid integer"})
    'body.limit must be a valid integer'
    """
    place = ".".join(map(str, entry["loc"]))
    text = _predicate(entry["type"], entry["msg"])
    if text is not None:
        return f"{place or 'it'} {text}"
    message = entry["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


def _predicate(kind: str, message: str) -> str | None:
    """What is said of the field; None for texts of our own checks, and for those that are no such sentence."""
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        return "is not known here"
    _, separator, rest = message.partition(" should ")
    return f"must {rest}" if separator and kind != "value_error" else None
