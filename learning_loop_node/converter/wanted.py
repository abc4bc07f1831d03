"""Which models should get another format."""

from __future__ import annotations

from dataclasses import dataclass

from ..client.conversions import ConversionEntry
from ..data_classes import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A model that has the source format and lacks the target.

    `problem` is what the loop says of an attempt that failed; `is_recorded` whether the loop keeps such things.
    """

    context: Context
    model_id: str
    version: str
    host: str
    source_format: str
    target_format: str
    source_sha256: str | None = None
    is_recorded: bool = False
    problem: ConversionEntry | None = None

    def __str__(self) -> str:
        organization, project = self.context.organization, self.context.project
        return f"model {self.version} of {organization}/{project} to {self.target_format}"
