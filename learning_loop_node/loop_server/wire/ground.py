"""What all types on the wire share."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ...data_classes import codec
from ...errors import InvalidDataError

LARGEST_WHOLE = 2**53
"""Beyond it, not every program reads the same number."""

Whole = Annotated[int, Field(strict=True, ge=-LARGEST_WHOLE, le=LARGEST_WHOLE)]
Number = Whole | Annotated[float, Field(strict=True, allow_inf_nan=False)]
ShortText = Annotated[str, Field(max_length=256)]
LongText = Annotated[str, Field(max_length=4096)]
Version = Annotated[int, Field(strict=True, ge=1, le=LARGEST_WHOLE)]
"""Counts changes. Who gives one with a change wants it to happen only if nobody else has changed it since."""

MAX_PROPERTIES_BYTES = 64 * 1024
MAX_NESTING = 32


def check_nesting(value: Any, levels: int = MAX_NESTING) -> None:
    """Raise `ValueError` for lists and objects in each other, deeper than any program that reads them would go."""
    if isinstance(value, dict | list):
        if levels == 0:
            raise ValueError(f"lists and objects may be nested {MAX_NESTING} times")
        for inner in value.values() if isinstance(value, dict) else value:
            check_nesting(inner, levels - 1)


def _writable(value: dict[str, Any]) -> dict[str, Any]:
    check_nesting(value)
    try:
        size_bytes = len(codec.to_json(value))
    except InvalidDataError as error:
        raise ValueError(str(error)) from error
    if size_bytes > MAX_PROPERTIES_BYTES:
        raise ValueError(f"{size_bytes} bytes of JSON; the limit is {MAX_PROPERTIES_BYTES}")
    return value


Properties = Annotated[dict[str, Any], AfterValidator(_writable)]
"""What users keep with a thing of theirs, of any shape that JSON has."""


class Wire(BaseModel):
    """The base: what is unknown is ignored, as the protocol grows."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)


class Done(Wire):
    status: Literal["ok"] = "ok"
