"""Old path of data classes that live in a file each."""

from ..enums import CategoryType, NodeState
from .categories import Category
from .context import Context
from .model_information import ModelInformation
from .node_status import (
    AboutResponse,
    AnnotationNodeStatus,
    DetectorStatus,
    ErrorConfiguration,
    ModelVersionResponse,
    NodeStatus,
)

__all__ = [
    "AboutResponse",
    "AnnotationNodeStatus",
    "Category",
    "CategoryType",
    "Context",
    "DetectorStatus",
    "ErrorConfiguration",
    "ModelInformation",
    "ModelVersionResponse",
    "NodeState",
    "NodeStatus",
]
