"""What converters say about their work."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ...enums import ConversionState
from .ground import LongText, ShortText, Wire


class ConversionReport(Wire):
    """What a converter is at, or why it failed; that it is done, the loop sees by itself.

    `converter` is the name and version of the logic that converts: another one is worth another try.
    """

    state: Literal["running", "failed"]
    node_id: ShortText = Field(min_length=1)
    node: ShortText = ""
    converter: ShortText = ""
    source_format: ShortText
    source_sha256: ShortText | None = None
    error: LongText = Field(default="", description="Why it failed, and what to do.")
    code: ShortText | None = Field(default=None, description="The name of the error, for programs.")


class ConversionRecord(Wire):
    """A format that a converter gives to a model, or could not give."""

    format: str
    state: ConversionState
    error: str | None
    code: str | None
    node: str | None
    node_id: str | None
    converter: str | None
    source_format: str | None
    source_sha256: str | None
    attempts: int
    changed: str


class Conversions(Wire):
    conversions: list[ConversionRecord]
