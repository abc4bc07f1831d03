"""Plain data: what travels between nodes, loop and disk."""

from ..enums import NodeState
from .annotation_tool import AnnotationData, SegmentationAnnotation, ToolOutput, UserInput
from .annotations import BoxAnnotation, ClassificationAnnotation, PointAnnotation
from .categories import Category
from .context import Context
from .detections import (
    BoxDetection,
    ClassificationDetection,
    Detections,
    Point,
    PointDetection,
    SegmentationDetection,
    Shape,
)
from .image_metadata import ImageMetadata, ImagesMetadata
from .model_information import ModelInformation
from .node_status import (
    AboutResponse,
    AnnotationNodeStatus,
    DetectorStatus,
    ErrorConfiguration,
    Errors,
    ModelVersionResponse,
    NodeStatus,
)
from .observation import Observation
from .outbox_entry import OutboxEntry, OutboxPage, Retried
from .socket_response import SocketResponse
from .training import PretrainedModel, Training, TrainingError, TrainingOut, TrainingStateData, TrainingStatus

__all__ = [
    "AboutResponse",
    "AnnotationData",
    "AnnotationNodeStatus",
    "BoxAnnotation",
    "BoxDetection",
    "Category",
    "ClassificationAnnotation",
    "ClassificationDetection",
    "Context",
    "Detections",
    "DetectorStatus",
    "ErrorConfiguration",
    "Errors",
    "ImageMetadata",
    "ImagesMetadata",
    "ModelInformation",
    "ModelVersionResponse",
    "NodeState",
    "NodeStatus",
    "Observation",
    "OutboxEntry",
    "OutboxPage",
    "Point",
    "PointAnnotation",
    "PointDetection",
    "PretrainedModel",
    "Retried",
    "SegmentationAnnotation",
    "SegmentationDetection",
    "Shape",
    "SocketResponse",
    "ToolOutput",
    "Training",
    "TrainingError",
    "TrainingOut",
    "TrainingStateData",
    "TrainingStatus",
    "UserInput",
]
