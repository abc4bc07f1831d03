"""Logging is configured once, and only where the program has not done it."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import logging, sys
from learning_loop_node.logs import configure_logging
{before}
configure_logging()
configure_logging()
logging.getLogger("Node").info("hello %s", "there")
logging.getLogger("Node").debug("not shown")
print("handlers:", len(logging.getLogger().handlers))
"""


def output_of(before: str = "") -> str:
    program = PROGRAM.format(before=before)
    return subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout


def test_one_line_per_event_on_standard_output():
    first, last = output_of().splitlines()
    assert first.endswith("hello there")
    assert "INFO" in first
    assert last == "handlers: 1"


def test_a_program_keeps_its_own_logging():
    own = "logging.basicConfig(stream=sys.stdout, format='own %(message)s', level=logging.INFO)"
    assert output_of(own).splitlines() == ["own hello there", "handlers: 1"]
