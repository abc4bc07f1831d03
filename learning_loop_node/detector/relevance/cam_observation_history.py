"""A camera's history as programs for 0.18 to 0.27 use it, with `Observation` objects.

Nodes use `CameraHistory`. Here the list `recent_observations` decides: programs read it, change it, and set back the
times in it.
"""

from __future__ import annotations

import math
import sys

import numpy as np
from numpy.typing import NDArray

from ...data_classes import BoxDetection, ImageMetadata, Observation, PointDetection
from ...settings import load_settings
from .history import MEMORY_S, CameraHistory, rows_of_boxes, rows_of_points
from .rule import Seen
from .segmented import Segmented
from .uncertain import Uncertain


class CamObservationHistory:
    """What a camera has seen. Nothing is forgotten until `forget_old_detections` is called."""

    def __init__(self) -> None:
        settings = load_settings().detector
        self.reset_time = int(MEMORY_S)
        self.recent_observations: list[Observation] = []
        self.iou_threshold = 0.5
        self.min_uncertain_threshold = settings.min_uncertain_threshold
        self.max_uncertain_threshold = settings.max_uncertain_threshold
        self._mirror = _Mirror([], self.iou_threshold)

    def forget_old_detections(self) -> None:
        """Drop what was not seen for `reset_time` seconds."""
        self.recent_observations = [
            observation for observation in self.recent_observations if not observation.is_older_than(self.reset_time)
        ]

    def get_causes_to_upload(self, image_metadata: ImageMetadata) -> list[str]:
        """`uncertain` and `segmentation_detection`, where they apply; the image's detections count as seen."""
        mirror = self._mirror_of_observations()
        is_new, refreshed, added = mirror.mark_new(image_metadata)
        for observation in refreshed:
            observation.update_last_seen()
        self.recent_observations.extend(added)
        seen = Seen.in_image(image_metadata, is_new)
        uncertain = Uncertain(low=self.min_uncertain_threshold, high=self.max_uncertain_threshold)
        return [*uncertain.causes(seen), *Segmented().causes(seen)]

    def find_similar_observations(self, new_detection: object) -> list[Observation]:
        """Observations of this category at about this place; none for other kinds of detections."""
        match new_detection:
            case BoxDetection():
                return self.find_similar_box_observations(new_detection)
            case PointDetection():
                return self.find_similar_point_observations(new_detection)
            case _:
                return []

    def find_similar_box_observations(self, new_detection: BoxDetection) -> list[Observation]:
        mirror = self._mirror_of_observations()
        places = mirror.history.boxes.find(rows_of_boxes([new_detection]), new_detection.category_name)
        return [mirror.boxes[place] for place in places]

    def find_similar_point_observations(self, new_detection: PointDetection) -> list[Observation]:
        mirror = self._mirror_of_observations()
        places = mirror.history.points.find(rows_of_points([new_detection]), new_detection.category_name)
        return [mirror.points[place] for place in places]

    def _mirror_of_observations(self) -> _Mirror:
        if not self._mirror.shows(self.recent_observations, self.iou_threshold):
            self._mirror = _Mirror(self.recent_observations, self.iou_threshold)
        return self._mirror


class _Mirror:
    """The observations as rows of a `CameraHistory`, whose time is the number of the image here.

    `boxes` and `points` are the observations to its rows.
    """

    def __init__(self, observations: list[Observation], overlap: float) -> None:
        self.history = CameraHistory(memory_s=math.inf, longest=sys.maxsize, overlap=overlap)
        self.boxes: list[Observation] = []
        self.points: list[Observation] = []
        self._observations = list(observations)
        self._overlap = overlap
        self._image_number = 0
        boxes, points = [], []
        for observation in observations:
            match observation.detection:
                case BoxDetection() as box:
                    boxes.append(box)
                    self.boxes.append(observation)
                case PointDetection() as point:
                    points.append(point)
                    self.points.append(observation)
        self.history.boxes.add(rows_of_boxes(boxes), [box.category_name for box in boxes], now=0)
        self.history.points.add(rows_of_points(points), [point.category_name for point in points], now=0)

    def shows(self, observations: list[Observation], overlap: float) -> bool:
        return self._overlap == overlap and self._observations == observations

    def mark_new(self, metadata: ImageMetadata) -> tuple[NDArray[np.bool_], list[Observation], list[Observation]]:
        """Which of the image's boxes, and then points, are new; the observations seen again; those added."""
        self._image_number += 1
        is_new = self.history.mark_new(metadata, self._image_number)
        refreshed, added = [], []
        new_boxes, new_points = np.split(is_new, [len(metadata.box_detections)])
        for rows, observations, detections, new in (
            (self.history.boxes, self.boxes, metadata.box_detections, new_boxes),
            (self.history.points, self.points, metadata.point_detections, new_points),
        ):
            seen_now = np.flatnonzero(rows.last_seen[: len(observations)] == self._image_number)
            refreshed += [observations[place] for place in seen_now]
            appeared = [Observation(detections[place]) for place in np.flatnonzero(new)]
            observations += appeared
            added += appeared
        self._observations += added
        return is_new, refreshed, added
