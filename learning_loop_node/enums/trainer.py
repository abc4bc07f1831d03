"""The states of a training, spelled as on the wire."""

from enum import StrEnum

ODDITIES = ("categories", "counts", "detections", "progress")
"""Keys of errors by which a trainer tells of what is odd, and no reason to try anything again."""


class TrainerState(StrEnum):
    """Where a training stands. A name in -ing is at work; the name after it is where that work ended."""

    Idle = "idle"
    Blocked = "blocked"
    Initialized = "initialized"
    WaitingForSlot = "waiting_for_slot"
    Preparing = "preparing"
    DataDownloading = "data_downloading"
    DataDownloaded = "data_downloaded"
    TrainModelDownloading = "train_model_downloading"
    TrainModelDownloaded = "train_model_downloaded"
    TrainingRunning = "running"
    TrainingFinished = "training_finished"
    ConfusionMatrixSyncing = "confusion_matrix_syncing"
    ConfusionMatrixSynced = "confusion_matrix_synced"
    TrainModelUploading = "train_model_uploading"
    TrainModelUploaded = "train_model_uploaded"
    Detecting = "detecting"
    Detected = "detected"
    DetectionUploading = "detection_uploading"
    ReadyForCleanup = "ready_for_cleanup"


class TrainingState(StrEnum):
    """Where a training stands for the loop, whatever its trainer is doing at the moment."""

    Queued = "queued"
    Starting = "starting"
    Running = "running"
    Stopping = "stopping"
    Aborting = "aborting"
    Finished = "finished"
    Failed = "failed"
    Aborted = "aborted"

    @property
    def has_ended(self) -> bool:
        return self in (TrainingState.Finished, TrainingState.Failed, TrainingState.Aborted)

    @property
    def is_with_trainer(self) -> bool:
        """Whether a trainer has it."""
        return not self.has_ended and self is not TrainingState.Queued
