"""The annotator node."""

from .annotator_logic import AnnotatorLogic
from .annotator_node import AnnotatorNode

__all__ = ["AnnotatorLogic", "AnnotatorNode"]
