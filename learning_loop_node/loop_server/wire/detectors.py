"""What detectors say about themselves."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from .ground import Number, ShortText, Wire


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


class DetectorRecord(DetectorReport):
    received: str


class Detectors(Wire):
    detectors: list[DetectorRecord]
