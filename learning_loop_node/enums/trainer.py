"""The states of a training, spelled as on the wire."""

from enum import StrEnum


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
