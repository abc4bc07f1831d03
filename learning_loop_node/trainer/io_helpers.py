"""What a trainer reads from its environment, and the old path of `training_store`."""

from __future__ import annotations

from ..settings import TrainerSettings, load_settings
from .training_store import ActiveTrainingIO, LastTrainingIO

__all__ = ["ActiveTrainingIO", "EnvironmentVars", "LastTrainingIO"]


class EnvironmentVars:
    """What a trainer does around its trainings; read from the environment unless settings are given."""

    def __init__(self, settings: TrainerSettings | None = None) -> None:
        settings = settings or load_settings().trainer
        self.restart_after_training = settings.restart_after_training
        self.keep_old_trainings = settings.keep_old_trainings
        self.inference_batch_size = settings.inference_batch_size
        self.training_silence_limit_s = settings.silence_limit_s
