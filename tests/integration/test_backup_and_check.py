"""A loop backed up while it works, restored elsewhere; its folder looked through and repaired."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from learning_loop_node.cli import app
from learning_loop_node.cli.exit_status import ExitStatus
from learning_loop_node.errors import InvalidDataError, NotFoundError, RefusedError, SettingError
from learning_loop_node.loop_server.upkeep.backup import BackupReport, back_up, read_manifest, restore
from learning_loop_node.loop_server.upkeep.check import Check, CheckReport, Finding, Subject
from learning_loop_node.settings import LoopServerSettings
from tests.builders import jpeg
from tests.loop import P, RunningLoop, running_loop

LONG_AGO = time.time() - 7200


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a loop with three images and a model, which has been stopped."""

    async def fill() -> None:
        async with running_loop(folder) as loop:
            await filled(loop)

    folder = tmp_path_factory.mktemp("stopped")
    asyncio.run(fill())
    return folder / "loop"


@pytest.fixture
def data(stopped: Path, tmp_path: Path) -> Path:
    """A copy of that folder for one test."""
    return shutil.copytree(stopped, tmp_path / "loop")


async def filled(loop: RunningLoop) -> None:
    await loop.create_project()
    metadata = {"tags": ["a"], "box_annotations": [{"category_name": "face", "x": 1, "y": 2, "width": 3, "height": 4}]}
    await loop.post_images([jpeg(seed=number) for number in range(3)], keys=["0", "1", "2"], metadata=metadata)
    await loop.push_model(deploy=True)


def saved(data: Path, target: Path, **options: Any) -> BackupReport:
    return back_up(data / "loop.sqlite", data / "blobs", target, **options)


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted((folder / "blobs").glob("??/*"))}


async def everything(loop: RunningLoop) -> dict[str, Any]:
    images = await loop.list_images()
    return {
        "images": images,
        "contents": [await loop.image_content(image["id"]) for image in images],
        "models": await loop.json("GET", f"{P}/models"),
        "target": await loop.json("GET", f"{P}/deployment/target"),
        "project": await loop.json("GET", P),
    }


# --- backup and restore


async def test_a_running_loop_is_restored_elsewhere_with_everything(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        await filled(loop)
        before = await everything(loop)
        report = await asyncio.to_thread(saved, tmp_path / "loop", tmp_path / "backup")
        assert (report.contents, report.copied, report.missing) == (4, 4, [])
        await loop.post_images([jpeg(seed=9)])
    restore(tmp_path / "backup", tmp_path / "new" / "loop")
    assert contents(tmp_path / "new" / "loop") == contents(tmp_path / "backup")
    async with running_loop(tmp_path / "new") as loop:
        assert await everything(loop) == before
        again = await loop.post_images([jpeg(seed=1)], keys=["1"])
        assert again[0]["stored"] is False


async def test_a_backup_made_during_uploads_is_one_state(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        await loop.create_project()

        async def send(client: int) -> None:
            for number in range(8):
                await loop.post_images([jpeg(seed=100 * client + number)])

        sending = asyncio.gather(*(send(client) for client in range(3)))
        for number in range(4):
            report = await asyncio.to_thread(saved, tmp_path / "loop", tmp_path / f"backup {number % 2}")
            assert report.missing == []
        await sending
    restore(tmp_path / "backup 1", tmp_path / "new")
    assert (await looked_through(tmp_path / "new")).findings == []


async def test_only_what_is_new_is_copied_and_what_is_gone_is_removed(data: Path, tmp_path: Path):
    saved(data, tmp_path / "backup")
    first = read_manifest(tmp_path / "backup")
    async with running_loop(tmp_path) as loop:
        await loop.post_images([jpeg(seed=7)])
    execute(data, "DELETE FROM images WHERE idempotency_key = '0'")
    report = saved(data, tmp_path / "backup")
    assert (report.contents, report.copied, report.removed) == (4, 1, 1)
    assert read_manifest(tmp_path / "backup").database != first.database
    assert len(list((tmp_path / "backup").glob("*.sqlite"))) == 1


def test_links_share_the_disk(data: Path, tmp_path: Path):
    saved(data, tmp_path / "backup", link=True)
    assert {file.stat().st_nlink for file in (tmp_path / "backup" / "blobs").glob("??/*")} == {2}


def test_what_nobody_else_may_read(data: Path, tmp_path: Path):
    saved(data, tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "new")
    for folder in (data, tmp_path / "backup", tmp_path / "new"):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_a_flipped_byte_is_found_and_named(data: Path, tmp_path: Path):
    saved(data, tmp_path / "backup")
    victim = next((tmp_path / "backup" / "blobs").glob("??/*"))
    flip(victim)
    with pytest.raises(InvalidDataError, match=victim.name):
        restore(tmp_path / "backup", tmp_path / "new")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["backup", "loop"], "nothing is left behind"


def test_a_backup_without_one_of_its_files(data: Path, tmp_path: Path):
    saved(data, tmp_path / "backup")
    database = tmp_path / "backup" / read_manifest(tmp_path / "backup").database
    flip(database)
    with pytest.raises(InvalidDataError, match=database.name):
        restore(tmp_path / "backup", tmp_path / "new")
    database.unlink()
    with pytest.raises(InvalidDataError, match=database.name):
        restore(tmp_path / "backup", tmp_path / "new")
    (tmp_path / "backup" / "manifest.json").write_text("{}")
    with pytest.raises(InvalidDataError, match=r"manifest\.json"):
        restore(tmp_path / "backup", tmp_path / "new")


def test_what_is_refused(data: Path, tmp_path: Path):
    saved(data, tmp_path / "backup")
    with pytest.raises(RefusedError, match="not empty"):
        restore(tmp_path / "backup", data)
    with pytest.raises(RefusedError, match="other files"):
        saved(data, tmp_path)
    with pytest.raises(NotFoundError, match="no loop"):
        saved(tmp_path, tmp_path / "other")
    with pytest.raises(InvalidDataError, match="no backup"):
        restore(tmp_path / "nowhere", tmp_path / "new")


def test_a_loop_that_has_lost_something_is_backed_up_as_far_as_possible(data: Path, tmp_path: Path):
    lost, damaged, *_ = sorted((data / "blobs").glob("??/*"))
    lost.unlink()
    flip(damaged)
    report = saved(data, tmp_path / "backup")
    assert sorted(report.missing) == [lost.name, damaged.name]
    assert len(contents(tmp_path / "backup")) == 2
    assert sorted(restore(tmp_path / "backup", tmp_path / "new").missing) == [lost.name, damaged.name]


def test_an_earlier_backup_keeps_what_the_loop_has_lost(data: Path, tmp_path: Path):
    saved(data, tmp_path / "backup")
    before = contents(data)
    victim = next((data / "blobs").glob("??/*"))
    victim.write_bytes(b"something else")
    assert saved(data, tmp_path / "backup").missing == []
    assert contents(tmp_path / "backup") == before


# --- check


async def test_nothing_is_wrong_with_a_loop_that_was_stopped(data: Path):
    report = await looked_through(data)
    assert report == CheckReport(contents=4, is_running=False, findings=[])


async def test_a_running_loop_may_be_looked_through_but_not_repaired(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        await filled(loop)
        lost = next((tmp_path / "loop" / "blobs").glob("??/*"))
        lost.rename(tmp_path / "lost")
        report = await looked_through(tmp_path / "loop")
        assert report.is_running
        assert [finding.subject for finding in report.findings] == [Subject.MISSING]
        with pytest.raises(SettingError, match="stop it"):
            await looked_through(tmp_path / "loop", repair=True)


async def test_superfluous_files_are_removed(data: Path):
    orphan, fresh = (data / "blobs" / name[:2] / name for name in ("ab" * 32, "cd" * 32))
    thumbnail = data / "thumbnails" / "ab" / f"{'ab' * 32}-128.jpg"
    left = data / "incoming" / "tmp123"
    for file in (orphan, fresh, thumbnail, left):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    os.utime(orphan, (LONG_AGO, LONG_AGO))
    expected = {Subject.ORPHAN: orphan, Subject.THUMBNAIL: thumbnail, Subject.LEFT_OVER: left}
    assert by_subject(await looked_through(data)) == {key: file.relative_to(data) for key, file in expected.items()}
    assert all(file.exists() for file in expected.values()), "looking changes nothing"
    assert all(finding.repaired for finding in (await looked_through(data, repair=True)).findings)
    assert [file.exists() for file in (orphan, thumbnail, left, fresh)] == [False, False, False, True]
    assert (await looked_through(data)).findings == []


@pytest.mark.parametrize("kind", [Subject.MISSING, Subject.DAMAGED])
async def test_lost_contents_come_back_from_a_backup(data: Path, tmp_path: Path, kind: Subject):
    saved(data, tmp_path / "backup")
    before = contents(data)
    for file in (data / "blobs").glob("??/*"):
        spoil(file, kind)
    assert {finding.subject for finding in (await looked_through(data)).findings} == {kind}
    report = await looked_through(data, repair=True, backup=tmp_path / "backup")
    assert all(finding.repaired for finding in report.findings)
    assert contents(data) == before
    assert (await looked_through(data)).findings == []


@pytest.mark.parametrize("kind", [Subject.MISSING, Subject.DAMAGED])
async def test_without_a_backup_what_needs_them_is_deleted(data: Path, tmp_path: Path, kind: Subject):
    for file in (data / "blobs").glob("??/*"):
        spoil(file, kind)
    report = await looked_through(data, repair=True)
    assert [finding.repaired for finding in report.findings] == [True] * 4
    async with running_loop(tmp_path) as loop:
        assert await loop.image_ids() == []
        assert (await loop.json("GET", f"{P}/models"))["models"] == []
        [image] = await loop.post_images([jpeg(seed=1)], keys=["new"])
        assert await loop.image_content(image["id"]) == jpeg(seed=1), "the content can be stored again"


async def test_a_flipped_byte_is_not_seen_by_the_quick_look(data: Path):
    victim = next((data / "blobs").glob("??/*"))
    flip(victim)
    assert (await looked_through(data, quick=True)).findings == []
    [finding] = (await looked_through(data)).findings
    assert (finding.subject, victim.name in finding.what) == (Subject.DAMAGED, True)


async def test_counts_that_do_not_match_are_made_anew(data: Path, tmp_path: Path):
    execute(data, "UPDATE facets SET count = 77 WHERE kind = 'tag'")
    execute(data, "DELETE FROM image_facets WHERE image_number = 1")
    found = (await looked_through(data)).findings
    assert {finding.subject for finding in found} == {Subject.COUNTS}
    assert any("77" in finding.what for finding in found)
    await looked_through(data, repair=True)
    assert (await looked_through(data)).findings == []
    async with running_loop(tmp_path) as loop:
        assert len((await loop.json("GET", f"{P}/images?tag=a"))["images"]) == 3


async def test_a_broken_database_is_found(data: Path):
    execute(data, "PRAGMA foreign_keys=OFF; DELETE FROM projects")
    found = (await looked_through(data)).findings
    assert {finding.subject for finding in found} >= {Subject.DATABASE}


async def test_a_folder_without_a_loop(tmp_path: Path):
    with pytest.raises(SettingError, match="holds no loop"):
        await looked_through(tmp_path)


# --- the commands


async def test_the_commands(data: Path, tmp_path: Path):
    target, new = tmp_path / "backup", tmp_path / "new"
    assert "4 of them new" in (await run("backup", target, "--data", data)).stdout
    assert (await run("restore", target, "--data", new, "--json")).exit_code == ExitStatus.OK
    assert (await run("restore", target, "--data", new)).exit_code == ExitStatus.REFUSED
    assert (await run("check", "--data", new)).exit_code == ExitStatus.OK
    next((new / "blobs").glob("??/*")).unlink()
    result = await run("check", "--data", new)
    assert (result.exit_code, "missing content" in result.stdout) == (ExitStatus.FAILED, True)
    assert (await run("backup", tmp_path / "other", "--data", new)).exit_code == ExitStatus.FAILED
    assert (await run("check", "--data", new, "--repair", "--backup", target)).exit_code == ExitStatus.OK
    assert (await run("check", "--data", new, "--json")).exit_code == ExitStatus.OK
    assert (await run("check", "--data", tmp_path / "nothing")).exit_code == ExitStatus.USAGE
    (tmp_path / "file").write_text("no folder")
    result = await run("backup", tmp_path / "file", "--data", data)
    assert (result.exit_code, f"{tmp_path}/file" in result.stderr) == (ExitStatus.USAGE, True), result.output


async def looked_through(data: Path, **options: Any) -> CheckReport:
    return await Check(settings=LoopServerSettings(data_folder=data), **options).run()


def by_subject(report: CheckReport) -> dict[Subject, Path]:
    found: Iterable[Finding] = report.findings
    return {finding.subject: Path(finding.what) for finding in found}


def spoil(file: Path, kind: Subject) -> None:
    if kind is Subject.MISSING:
        file.unlink()
    else:
        flip(file)


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def execute(data: Path, statements: str) -> None:
    with closing(sqlite3.connect(data / "loop.sqlite")) as connection:
        connection.executescript(f"PRAGMA foreign_keys=ON; {statements}")
        connection.commit()


async def run(*arguments: object) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app, [str(argument) for argument in arguments])
