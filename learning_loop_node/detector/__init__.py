"""The detector node: answers which objects are in an image, and keeps the images worth a human's look."""

from .detector_logic import DetectorLogic, DetectorLogicFactory

__all__ = ["DetectorLogic", "DetectorLogicFactory"]
