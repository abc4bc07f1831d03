"""What many tests need: settings in a temporary folder, a picture, a clock, and globals put back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from learning_loop_node.settings import GLOBALS, Settings
from tests.builders import jpeg, make_settings
from tests.clock import ManualClock


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
