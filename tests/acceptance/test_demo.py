"""The demo as a user starts it: a process that starts two more."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

pytest.importorskip("skimage", reason="needs scikit-image (extra [demo])")
pytest.importorskip("cv2", reason="needs OpenCV (extra [demo])")

COUNT = 16


def test_a_short_demo_adds_up_stays_and_leaves_nothing_behind(tmp_path: Path):
    demo = start(tmp_path, "--count", str(COUNT), "--stay", "--json")
    try:
        told = json.loads(read_line(demo))
        assert told["adds_up"], told["checks"]
        assert all(check["holds"] for check in told["checks"])
        assert len(told["photographs"]) == COUNT
        assert {photograph["model_version"] for photograph in told["photographs"]} == {"1.0", "1.1"}
        assert any(photograph["causes"] for photograph in told["photographs"])
        with Image.open(told["contact_sheet"]) as sheet:
            assert sheet.format == "PNG"
            assert sheet.width > 1000
        assert Path(told["contact_sheet"]).parent == tmp_path / "output"
        assert answers(told["node"])
        assert answers(told["loop"])
        for line in printed_examples(demo):
            ran = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=20, check=False)
            assert ran.returncode == 0, (line, ran.stderr)
            assert ran.stdout.strip()
            assert "detail" not in ran.stdout, line
        demo.send_signal(signal.SIGINT)
        assert demo.wait(30) == 0
        assert demo.stderr is not None
        assert demo.stderr.read() == "stopped; their data are deleted\n"
        assert not answers(told["node"])
        assert not answers(told["loop"])
        assert list((tmp_path / "scratch").iterdir()) == []
    finally:
        end(demo)


def test_an_interrupted_demo_stops_what_it_started(tmp_path: Path):
    demo = start(tmp_path)
    try:
        children = wait_for_child(demo)
        demo.send_signal(signal.SIGTERM)
        assert demo.wait(30) == 130
        assert not any(is_alive(child) for child in children)
        assert list((tmp_path / "scratch").iterdir()) == []
        _, complaints = demo.communicate()
        assert "Traceback" not in complaints
    finally:
        end(demo)


def test_a_child_that_fails_is_shown_with_its_last_words(tmp_path: Path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "uvicorn.py").write_text("raise RuntimeError('no server today')")
    demo = start(tmp_path, "--count", "3", PYTHONPATH=str(tmp_path / "broken"))
    output, complaints = demo.communicate(timeout=40)
    assert demo.returncode == 1, output
    assert "the loop ended with status 1" in complaints
    assert "no server today" in complaints


def start(folder: Path, *options: str, **variables: str) -> subprocess.Popen[str]:
    (folder / "scratch").mkdir()
    return subprocess.Popen(
        [sys.executable, "-m", "learning_loop_node", "demo", "--output", str(folder / "output"), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(folder / "scratch")} | variables,
    )


def end(demo: subprocess.Popen[str]) -> None:
    """Whatever the test found, nothing goes on running."""
    if demo.poll() is None:
        demo.terminate()
        try:
            demo.wait(20)
        except subprocess.TimeoutExpired:
            demo.kill()
    for stream in (demo.stdout, demo.stderr):
        if stream is not None:
            stream.close()
    demo.wait()


def read_line(demo: subprocess.Popen[str]) -> str:
    """The first line that the demo prints; its complaints if it ends without one."""
    assert demo.stdout is not None
    line = demo.stdout.readline()
    if line:
        return line
    _, complaints = demo.communicate()
    raise AssertionError(f"the demo ended with status {demo.returncode}: {complaints}")


def printed_examples(demo: subprocess.Popen[str]) -> list[str]:
    """The lines to try that `--stay` prints, up to the last one."""
    assert demo.stderr is not None
    lines: list[str] = []
    for line in demo.stderr:
        if line.startswith("  "):
            lines.append(line.strip())
        if "/model_version" in line:
            return lines
    raise AssertionError("the demo stopped printing")


def wait_for_child(demo: subprocess.Popen[str]) -> list[int]:
    """The processes that the demo has started, as soon as there is one."""
    pause = threading.Event()
    while demo.poll() is None:
        children = list(children_of(demo.pid))
        if children:
            return children
        pause.wait(0.02)
    raise AssertionError(f"the demo ended with status {demo.returncode}")


def children_of(process_id: int) -> Iterator[int]:
    for task in Path(f"/proc/{process_id}/task").iterdir():
        yield from map(int, (task / "children").read_text().split())


def is_alive(process_id: int) -> bool:
    return Path(f"/proc/{process_id}").exists()


def answers(url: Any) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError):
        return False
