"""Disk, outbox, port and packages of this machine."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from learning_loop_node.detector.outbox.outbox import Outbox
from learning_loop_node.doctor.disk import check_folder, check_room, check_sync
from learning_loop_node.doctor.finding import Level
from learning_loop_node.doctor.installed import check_installed, unmet
from learning_loop_node.doctor.outbox import check_outbox
from learning_loop_node.doctor.port import check_port
from learning_loop_node.settings import OutboxSettings
from tests.builders import jpeg, make_settings
from tests.commands import is_command
from tests.nodes import running_node
from tests.tls import listening

# Disk


async def test_a_folder_that_can_be_used_is_left_as_it_was(tmp_path: Path):
    for check in (check_folder, check_sync):
        verdict = await check(tmp_path)
        assert verdict.level is Level.OK, verdict
    assert contents_of(tmp_path) == []
    assert "can be made" in (await check_folder(tmp_path / "a" / "b")).found
    assert (await check_sync(tmp_path / "a" / "b")).level is Level.OK
    assert contents_of(tmp_path) == []


async def test_a_file_in_place_of_the_folder(tmp_path: Path):
    (tmp_path / "data").write_text("x")
    verdict = await check_folder(tmp_path / "data" / "inner")
    assert verdict.level is Level.ERROR
    assert "DATA_FOLDER" in verdict.remedy


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_folder_of_somebody_else(tmp_path: Path):
    with closed(tmp_path):
        verdict = await check_folder(tmp_path)
    assert verdict.level is Level.ERROR
    assert "cannot be written" in verdict.found


async def test_a_disk_that_refuses_a_file():
    verdict = await check_folder(Path("/proc"))
    assert verdict.level is Level.ERROR


@pytest.mark.parametrize(
    ("limits", "level", "named"),
    [
        pytest.param(OutboxSettings(min_free_bytes=0, max_bytes=1), Level.OK, "free of", id="enough"),
        pytest.param(
            OutboxSettings(max_bytes=10**18), Level.WARNING, "MAX_OUTBOX_BYTES", id="less than the outbox may take"
        ),
        pytest.param(OutboxSettings(min_free_bytes=10**18), Level.ERROR, "OUTBOX_MIN_FREE_BYTES", id="none"),
    ],
)
async def test_room(tmp_path: Path, limits: OutboxSettings, level: Level, named: str):
    verdict = await check_room(tmp_path / "not there yet", limits)
    assert verdict.level == level
    assert named in verdict.found


# Outbox


async def test_no_outbox(tmp_path: Path):
    assert (await check_outbox(tmp_path / "outbox")).level is Level.OK


async def test_what_waits_is_told_and_left(tmp_path: Path):
    outbox = Outbox(settings=make_settings(tmp_path))
    await outbox.save(jpeg())
    await outbox.aclose()
    verdict = await check_outbox(tmp_path / "outbox")
    assert verdict.level is Level.OK
    assert verdict.found.startswith("1 image is waiting, the oldest for 0 s")
    lane = tmp_path / "outbox" / "normal"
    item = next(lane.iterdir())
    item.rename(lane / "2020-01-01_00:00:00.000000")
    (lane / "2026-01-01_00:00:00.000000").mkdir()
    (tmp_path / "outbox" / "quarantine" / "2020-01-02_00:00:00.000000").mkdir(parents=True)
    before = contents_of(tmp_path)
    verdict = await check_outbox(tmp_path / "outbox")
    assert verdict.level is Level.WARNING
    assert "damaged" in verdict.found
    assert "1 image is in quarantine" in verdict.found
    commands = re.findall("learning-loop [^;.]+", verdict.remedy.replace(str(tmp_path), "FOLDER"))
    assert [is_command(command) for command in commands] == [True, True]
    assert contents_of(tmp_path) == before


# Port


async def test_a_free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert "no node runs there" in (await check_port("127.0.0.1", port)).found


async def test_a_port_with_a_node(tmp_path: Path):
    async with running_node(tmp_path) as running:
        verdict = await check_port("127.0.0.1", int(running.url.rpartition(":")[2]))
    assert verdict.level is Level.OK
    assert "a node answers there" in verdict.found


async def test_a_port_with_another_program():
    async with listening() as port:
        verdict = await check_port("127.0.0.1", port)
    assert verdict.level is Level.ERROR
    assert "NODE_PORT" in verdict.remedy


async def test_an_address_of_another_machine():
    assert "no address of this machine" in (await check_port("192.0.2.1", 5004)).found


# Installation


async def test_this_installation_is_complete():
    verdict = await check_installed()
    assert verdict.level is Level.OK, verdict


@pytest.mark.parametrize(
    ("requirement", "expected"),
    [
        pytest.param("numpy>=1.0", [], id="there"),
        pytest.param("numpy>=999.1,<1000", ["numpy {} is older than 999.1"], id="too old"),
        pytest.param("no-such-package[extra]>=1", ["no-such-package is missing"], id="missing"),
        pytest.param("no-such-package>=1; extra == 'dev'", [], id="of an extra"),
    ],
)
def test_requirements(requirement: str, expected: list[str]):
    import numpy as np

    assert unmet([requirement]) == [text.format(np.__version__) for text in expected]


def contents_of(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


@contextmanager
def closed(folder: Path) -> Iterator[None]:
    """Nobody may write there."""
    folder.chmod(0o500)
    yield
    folder.chmod(0o700)
