"""Trainers, annotators and converters that are connected to the loop. Only our own loop tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..data_classes import Context, PretrainedModel
from ..data_classes.codec import from_dict
from .http import LoopHttp
from .place import entries_of


@dataclass(frozen=True, kw_only=True, slots=True)
class ConverterFormats:
    """From which format of models to which a converter leads."""

    source: str
    target: str


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeEntry:
    """A node that is connected: a `trainer`, an `annotation_node`, a `converter`, or a `legacy` one of 0.3.2.

    `context` is the project that it works for, None if it is idle or we may not know. A trainer takes trainings of its
    `architecture` while its state is `idle`; its `pretrained_models` are the variants that it can begin with.
    `formats` are those of a converter.
    """

    id: str
    kind: str
    name: str = ""
    state: str | None = None
    progress: float | None = None
    errors: dict[str, str] = field(default_factory=dict)
    architecture: str | None = None
    pretrained_models: list[PretrainedModel] = field(default_factory=list)
    capabilities: list[str] = field(default_factory=list)
    formats: ConverterFormats | None = None
    context: Context | None = None
    uptime: float | None = None
    connected_since: str | None = None
    user: str | None = None


class Nodes:
    """All nodes that we may see, of all projects."""

    def __init__(self, http: LoopHttp) -> None:
        self._http = http

    async def list(self) -> Sequence[NodeEntry]:
        """Those that are connected now."""
        answer = await self._http.json("GET", "/nodes")
        return [from_dict(NodeEntry, entry) for entry in entries_of(answer, "nodes")]
