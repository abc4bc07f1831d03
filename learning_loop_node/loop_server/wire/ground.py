"""What all types on the wire share."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

LARGEST_WHOLE = 2**53
"""Beyond it, not every program reads the same number."""

Whole = Annotated[int, Field(strict=True, ge=-LARGEST_WHOLE, le=LARGEST_WHOLE)]
Number = Whole | Annotated[float, Field(strict=True, allow_inf_nan=False)]
ShortText = Annotated[str, Field(max_length=256)]
LongText = Annotated[str, Field(max_length=4096)]


class Wire(BaseModel):
    """The base: what is unknown is ignored, as the protocol grows."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)


class Done(Wire):
    status: Literal["ok"] = "ok"
