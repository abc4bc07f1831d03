"""Old path of `detector.relevance.cam_observation_history`."""

from ..relevance.cam_observation_history import CamObservationHistory

__all__ = ["CamObservationHistory"]
