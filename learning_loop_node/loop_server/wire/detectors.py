"""What detectors say about themselves."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .ground import Number, ShortText, Wire, check_nesting


class DetectorReport(BaseModel):
    """What a detector says about itself; what later versions add is kept."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)

    uuid: str = Field(min_length=1, max_length=256)
    name: ShortText
    state: ShortText
    uptime: Number = 0
    model_format: ShortText | None = None
    current_model: ShortText | None = None
    target_model: ShortText | None = None
    errors: dict[str, Any] = {}
    operation_mode: ShortText | None = None
    node_version: ShortText | None = None

    @model_validator(mode="after")
    def _not_nested_deeply(self) -> Self:
        check_nesting([self.errors, self.model_extra])
        return self


class DetectorRecord(DetectorReport):
    """The last status of a detector, and what the loop knows beyond it."""

    received: str = Field(description="When the status came.")
    age_s: float = Field(description="Seconds since then.")
    first_seen: str = Field(description="When the first status of this detector came.")
    interval_s: float = Field(description="Seconds between its reports, as seen lately.")
    is_late: bool = Field(description="Nothing was heard for three intervals, though it did not say that it ends.")
    deployed_model: str | None = Field(description="The version that the detectors of the project should run.")
    runs_deployed: bool | None = Field(description="Whether it runs that one; null while none is deployed.")


class Detectors(Wire):
    """By their ids. `next` is to be given as `after` for those that follow; null at the end."""

    detectors: list[DetectorRecord]
    next: str | None
