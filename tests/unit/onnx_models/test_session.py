"""How ONNX Runtime is used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("learning_loop_node.onnx_models.session", reason="needs extra [onnx]", exc_type=ImportError)

from learning_loop_node.settings import environment_for_child


def test_it_keeps_what_it_runs_to_itself(tmp_path: Path):
    """Its telemetry begins with files in the home directory, and in that for temporary ones."""
    environment = environment_for_child(HOME=str(tmp_path), TMPDIR=str(tmp_path), XDG_CACHE_HOME=str(tmp_path))
    code = "import learning_loop_node.onnx_models.model"
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=50)
    assert list(tmp_path.iterdir()) == []
