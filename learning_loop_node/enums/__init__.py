"""Fixed words of the protocol."""

from .annotator import AnnotationEventType
from .detector import Autoupload, OperationMode, OutboxMode, VersionMode
from .general import CategoryType, NodeState
from .trainer import TrainerState

__all__ = [
    "AnnotationEventType",
    "Autoupload",
    "CategoryType",
    "NodeState",
    "OperationMode",
    "OutboxMode",
    "TrainerState",
    "VersionMode",
]
