"""What all types on the wire share."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

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


class Asked(Wire):
    """The base of what only people and programs for this loop send: a field that is unknown is refused by its name."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown(cls, given: Any) -> Any:
        """Say which field may have been meant; the base class of the model alone would not."""
        if isinstance(given, dict):
            for name in given:
                if name not in cls.model_fields:
                    raise ValueError(_unknown(str(name), list(cls.model_fields)))
        return given


def _unknown(name: str, known: Sequence[str]) -> str:
    close = get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
    return f"the field {name[:256]!r} is not known here; {hint}"


class Done(Wire):
    status: Literal["ok"] = "ok"
