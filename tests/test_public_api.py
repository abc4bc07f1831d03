"""What the package exports, and nothing more; and that importing it costs and does nothing."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

import learning_loop_node

EXPORTS = {
    "AnnotatorLogic": "learning_loop_node.annotation.annotator_logic",
    "AnnotatorNode": "learning_loop_node.annotation.annotator_node",
    "ConverterLogic": "learning_loop_node.converter.converter_logic",
    "ConverterNode": "learning_loop_node.converter.converter_node",
    "TrainerNode": "learning_loop_node.trainer.trainer_node",
    "DetectorNode": "learning_loop_node.detector.detector_node",
    "DetectorLogic": "learning_loop_node.detector.detector_logic",
    "DetectorLogicFactory": "learning_loop_node.detector.detector_logic",
    "GLOBALS": "learning_loop_node.settings",
}


def test_exports_are_complete():
    assert set(learning_loop_node.__all__) == set(EXPORTS)
    assert set(EXPORTS) <= set(dir(learning_loop_node))


@pytest.mark.parametrize(("name", "home"), EXPORTS.items())
def test_export_is_the_real_thing(name, home):
    assert getattr(learning_loop_node, name) is getattr(import_module(home), name)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Detektor'"):
        learning_loop_node.Detektor  # noqa: B018


def test_import_loads_nothing_and_configures_nothing():
    program = (
        "import sys, logging, threading, learning_loop_node\n"
        "heavy = {'numpy', 'fastapi', 'pydantic', 'socketio', 'aiohttp', 'PIL', 'asyncio'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert not logging.getLogger().handlers\n"
        "assert threading.active_count() == 1\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
