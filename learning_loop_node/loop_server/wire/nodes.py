"""What nodes say about themselves over Socket.IO, and which are connected."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from .ground import ShortText, Wire

LONGEST_TEXT = 4096
MOST_ERRORS = 50
MOST_VARIANTS = 200

NodeId = Annotated[str, Field(min_length=1, max_length=256)]


def kept_text(text: str) -> str:
    """What somebody else says, as it can be kept: not too long, and without what is no character in a database."""
    return text[:LONGEST_TEXT].replace("\0", "").encode("utf-8", "replace").decode()


def _shortened(errors: Any) -> Any:
    """What nodes say of their errors may be a long traceback; a node that is refused for it would only say it again."""
    if not isinstance(errors, dict):
        return errors
    return {kept_text(str(key)): kept_text(str(text)) for key, text in list(errors.items())[:MOST_ERRORS]}


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


ErrorTexts = Annotated[dict[str, str], BeforeValidator(_shortened)]
Finite = Annotated[float | None, BeforeValidator(_finite)]


class Place(Wire):
    """A project of an organization."""

    organization: ShortText
    project: ShortText


class Variant(Wire):
    """A model that a trainer can begin with."""

    name: ShortText
    label: str = Field(default="", max_length=LONGEST_TEXT)
    description: str = Field(default="", max_length=LONGEST_TEXT)


class NodeReport(Wire):
    """What every kind of node says."""

    id: NodeId
    name: ShortText = ""
    state: ShortText | None = None
    uptime: Finite = None
    errors: ErrorTexts | None = None


class TrainerReport(NodeReport):
    """`context` is where it works; `pretrained_models` are named as `model_variant` when a training is begun."""

    progress: Finite = None
    pretrained_models: list[Variant] | None = Field(default=None, max_length=MOST_VARIANTS)
    architecture: ShortText | None = None
    context: Place | None = None


class AnnotatorReport(NodeReport):
    capabilities: list[ShortText] | None = Field(default=None, max_length=MOST_VARIANTS)


class ConverterReport(NodeReport):
    """From which format of models to which a converter leads."""

    source_format: ShortText | None = None
    target_format: ShortText | None = None


class ConverterFormats(Wire):
    """From which format of models to which a converter leads."""

    source: str
    target: str


class NodeRecord(Wire):
    """A node that is connected. Where it works is told to those who may see that project."""

    id: str
    kind: str
    name: str
    state: str | None
    progress: float | None
    errors: dict[str, str]
    architecture: str | None
    pretrained_models: list[Variant]
    capabilities: list[str]
    formats: ConverterFormats | None = Field(description="Of a converter; null for others.")
    context: Place | None
    uptime: float | None
    connected_since: str
    user: str | None = Field(description="With whose login it is connected.")


class ConnectedNodes(Wire):
    nodes: list[NodeRecord]
