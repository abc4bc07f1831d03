"""The steps of a training, in their order. To add one: a file here, states in `enums`, and a row in this table."""

from __future__ import annotations

from ...enums import TrainerState as State
from .clean_up import clean_up
from .step import LastStep, Step

UPLOAD_MODEL = "upload_model"

STEPS: tuple[Step | LastStep, ...] = (
    Step(
        name="prepare",
        before=State.Initialized,
        during=State.DataDownloading,
        after=State.DataDownloaded,
        action=lambda logic: logic._prepare(),
    ),
    Step(
        name="download_model",
        before=State.DataDownloaded,
        during=State.TrainModelDownloading,
        after=State.TrainModelDownloaded,
        action=lambda logic: logic._download_model(),
    ),
    Step(
        name="run_training",
        before=State.TrainModelDownloaded,
        during=State.TrainingRunning,
        after=State.TrainingFinished,
        action=lambda logic: logic._train(),
        shows_old_error=False,  # it may run for days
    ),
    Step(
        name="sync_confusion_matrix",
        before=State.TrainingFinished,
        during=State.ConfusionMatrixSyncing,
        after=State.ConfusionMatrixSynced,
        action=lambda logic: logic._sync_training(),
    ),
    Step(
        name=UPLOAD_MODEL,
        before=State.ConfusionMatrixSynced,
        during=State.TrainModelUploading,
        after=State.TrainModelUploaded,
        action=lambda logic: logic._upload_model(),
    ),
    Step(
        name="detecting",
        before=State.TrainModelUploaded,
        during=State.Detecting,
        after=State.Detected,
        action=lambda logic: logic._do_detections(),
    ),
    Step(
        name="upload_detections",
        before=State.Detected,
        during=State.DetectionUploading,
        after=State.ReadyForCleanup,
        action=lambda logic: logic.active_training_io.upload_detetions(),
    ),
    LastStep(before=State.ReadyForCleanup, action=clean_up),
)

KEEPING_A_MODEL = ("sync_confusion_matrix", UPLOAD_MODEL)
"""Steps at which there is a model that the loop does not have yet."""

LEAVING_A_MODEL = ("run_training", "sync_confusion_matrix")
"""Steps that may have made a model before they failed, or at which there is one; then it is used."""


def step_at(state: str) -> Step | LastStep:
    """The step to do in this state. One in which a step is under way is that of a training that was interrupted."""
    for step in STEPS:
        if state == step.before or (isinstance(step, Step) and state == step.during):
            return step
    return STEPS[0]  # `preparing`, which 0.27 knows but does not use
