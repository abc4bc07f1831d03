"""Old path of the errors of trainings."""

from ..errors import (
    CriticalError,
    InsufficientMemoryError,
    ModelUploadFailedError,
    NodeNeedsRestartError,
    TrainingRefusedError,
    TrainingSlotTakenError,
)

__all__ = [
    "CriticalError",
    "InsufficientMemoryError",
    "ModelUploadFailedError",
    "NodeNeedsRestartError",
    "TrainingRefusedError",
    "TrainingSlotTakenError",
]
