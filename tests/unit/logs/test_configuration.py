"""Logging is configured once, and only where the program has not done it."""

from __future__ import annotations

import json
import os
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


SERVED = """
import logging, sys, uvicorn
from learning_loop_node.logs import configure_logging
uvicorn.Config(lambda: None, access_log=True)
configure_logging(as_json={as_json})
logging.getLogger("uvicorn.error").info("Started server process [%d]", 7, extra={{"color_message": "x"}})
logging.getLogger("uvicorn.access").info(
    '%s - "%s %s HTTP/%s" %d', "127.0.0.1:9", "GET", "/upload?source=rtsp://a:hunter2@cam", "1.1", 200)
logging.getLogger("Node").warning("over")
"""


def test_the_lines_of_the_server_follow():
    program = [sys.executable, "-c", SERVED.format(as_json=True)]
    done = subprocess.run(program, check=True, capture_output=True, text=True)
    lines = [json.loads(line) for line in (done.stderr + done.stdout).splitlines()]
    assert [line["logger"] for line in lines] == ["uvicorn.error", "uvicorn.access", "Node"]
    assert lines[0]["message"] == "Started server process [7]"
    assert "color_message" not in lines[0]
    assert '"GET /upload?source=rtsp://***@cam HTTP/1.1" 200' in lines[1]["message"]


def test_no_login_in_lines_of_text_either():
    program = [sys.executable, "-c", SERVED.format(as_json=False)]
    done = subprocess.run(program, check=True, capture_output=True, text=True)
    assert "rtsp://***@cam" in done.stdout
    assert "hunter2" not in done.stdout + done.stderr


def test_warnings_of_a_command_leave_its_output_to_programs():
    program = "import logging; from learning_loop_node.cli.output import log_to_stderr; log_to_stderr(); "
    program += "logging.getLogger('x').info('not shown'); logging.getLogger('x').warning('look')"
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "LOG_FORMAT": "json"},
    )
    assert done.stdout == ""
    assert json.loads(done.stderr)["message"] == "look"
