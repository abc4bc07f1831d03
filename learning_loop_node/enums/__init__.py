"""Fixed words of the protocol."""

from .annotator import AnnotationEventType
from .converter import ConversionState
from .detector import Autoupload, OperationMode, OutboxMode, VersionMode
from .general import CategoryType, NodeState
from .images import ImageSet, ImageState
from .trainer import TrainerState, TrainingState

__all__ = [
    "AnnotationEventType",
    "Autoupload",
    "CategoryType",
    "ConversionState",
    "ImageSet",
    "ImageState",
    "NodeState",
    "OperationMode",
    "OutboxMode",
    "TrainerState",
    "TrainingState",
    "VersionMode",
]
