"""Nodes of a learning loop for computer vision: derive from a logic class, hand it to a node, and run.

Each name is imported when it is first used, so that `import learning_loop_node` alone costs next to nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .annotation.annotator_logic import AnnotatorLogic
    from .annotation.annotator_node import AnnotatorNode
    from .converter.converter_logic import ConverterLogic
    from .converter.converter_node import ConverterNode
    from .detector.detector_logic import DetectorLogic, DetectorLogicFactory
    from .detector.detector_node import DetectorNode
    from .settings import GLOBALS
    from .trainer.trainer_node import TrainerNode

__all__ = [
    "GLOBALS",
    "AnnotatorLogic",
    "AnnotatorNode",
    "ConverterLogic",
    "ConverterNode",
    "DetectorLogic",
    "DetectorLogicFactory",
    "DetectorNode",
    "TrainerNode",
]

_HOMES = {
    "AnnotatorLogic": ".annotation.annotator_logic",
    "AnnotatorNode": ".annotation.annotator_node",
    "ConverterLogic": ".converter.converter_logic",
    "ConverterNode": ".converter.converter_node",
    "TrainerNode": ".trainer.trainer_node",
    "DetectorNode": ".detector.detector_node",
    "DetectorLogic": ".detector.detector_logic",
    "DetectorLogicFactory": ".detector.detector_logic",
    "GLOBALS": ".settings",
}
_THIS = sys.modules[__name__]  # not `globals()`: that name is taken by the module of programs for older versions


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name], __name__), name)
    vars(_THIS)[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(vars(_THIS).keys() | _HOMES.keys())
