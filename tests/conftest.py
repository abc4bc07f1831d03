"""What many tests need: settings in a temporary folder, a picture, a clock, and globals put back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from learning_loop_node.settings import GLOBALS, Settings
from tests.builders import jpeg, make_settings
from tests.clock import ManualClock

FOLDER = Path(__file__).parent

LONG = (
    "acceptance/test_documentation.py",
    "acceptance/test_trainings_killed.py",
    "integration/test_trainer_interop.py",
    "acceptance/test_trainer_killed.py",
    "integration/test_trainer_killed.py",
    "acceptance/test_bad_network.py",
    "acceptance/test_demo.py",
    "acceptance/test_mock_nodes.py",
    "integration/test_interop.py",
    "attack/test_schemas.py",
)
"""Files that take longest begin first, so that none of them is left when all others are done."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Half as many more than processors: tests with several processes often wait, and others can go on meanwhile."""
    return len(os.sched_getaffinity(0)) * 3 // 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    first = {FOLDER / name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: first.get(item.path, len(LONG)))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="try many times as much: attacks, bad network")


@pytest.fixture(autouse=True)
def _globals_restored() -> Iterator[None]:
    """User programs set `GLOBALS.data_folder`; a test that does so leaves nothing behind."""
    before = dict(vars(GLOBALS))
    yield
    vars(GLOBALS).clear()
    vars(GLOBALS).update(before)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A node with a folder of its own, and a loop that is not there."""
    return make_settings(tmp_path)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def picture() -> bytes:
    """A small JPEG."""
    return jpeg()
