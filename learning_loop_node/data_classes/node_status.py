"""What a node says about itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..enums import NodeState
from .model_information import ModelInformation


@dataclass(kw_only=True, slots=True)
class NodeStatus:
    """Who a node is and how it is; `uptime` in seconds, `errors` by key."""

    id: str
    name: str
    state: NodeState = NodeState.Online
    uptime: int = 0
    errors: dict[str, Any] = field(default_factory=dict)
    capabilities: list[str] = field(default_factory=list)

    def set_error(self, key: str, value: str) -> None:
        self.errors[key] = value

    def reset_error(self, key: str) -> None:
        self.errors.pop(key, None)

    def reset_all_errors(self) -> None:
        self.errors.clear()


@dataclass(kw_only=True, slots=True)
class AnnotationNodeStatus(NodeStatus):
    """The status of an annotator node."""


@dataclass(kw_only=True, slots=True)
class DetectorStatus:
    """What a detector tells the loop; `current_model` and `target_model` are versions."""

    uuid: str
    name: str
    state: NodeState
    uptime: int
    model_format: str
    current_model: str | None
    target_model: str | None
    errors: dict[str, Any]
    operation_mode: str
    node_version: str | None = None


@dataclass(kw_only=True, slots=True)
class AboutResponse:
    """What a detector says to its own clients."""

    operation_mode: str
    state: str | None
    model_info: ModelInformation | None
    target_model: str | None
    version_control: str


@dataclass(kw_only=True, slots=True)
class ModelVersionResponse:
    """Which model versions a detector runs, wants, has; a missing one is the text `None`."""

    current_version: str
    target_version: str
    loop_version: str
    local_versions: list[str]
    version_control: str


@dataclass(kw_only=True, slots=True)
class ErrorConfiguration:
    """Which failures a mock trainer should show."""

    begin_training: bool | None = False
    save_model: bool | None = False
    get_new_model: bool | None = False
    crash_training: bool | None = False


class Errors:
    """Errors by key, as trainers report them."""

    def __init__(self) -> None:
        self._errors: dict[str, str] = {}

    @property
    def errors(self) -> Mapping[str, str]:
        return self._errors

    def set(self, key: str, value: str) -> None:
        self._errors[key] = value

    def reset(self, key: str) -> None:
        self._errors.pop(key, None)

    def reset_all(self) -> None:
        self._errors.clear()

    def has_error_for(self, key: str) -> bool:
        return key in self._errors

    def has_error(self) -> bool:
        """Whether there is any error. (0.27 answers the opposite, by mistake.)"""
        return bool(self._errors)
