from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup
from typer.testing import CliRunner

from learning_loop_node import errors
from learning_loop_node.cli import app
from learning_loop_node.cli.exit_status import MEANINGS, ExitStatus, exit_status_of
from learning_loop_node.errors import NodeError
from tests.builders import jpeg

NOBODY = "127.0.0.1:9"
"""An address at which nobody listens."""


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOOP_HOST", "LOOP_USERNAME", "LOOP_PASSWORD", "LOOP_ORGANIZATION", "LOOP_PROJECT"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        pytest.param("--help", ExitStatus.OK, id="help"),
        pytest.param("version", ExitStatus.OK, id="version"),
        pytest.param("--version", ExitStatus.OK, id="version as an option"),
        pytest.param("fly", ExitStatus.USAGE, id="unknown command"),
        pytest.param("serve --port 99999", ExitStatus.USAGE, id="port"),
        pytest.param("serve --open --host 0.0.0.0", ExitStatus.USAGE, id="open to everybody"),
        pytest.param("serve --open --host example.com", ExitStatus.USAGE, id="open on a name"),
        pytest.param("demo --images /nowhere", ExitStatus.USAGE, id="no such folder"),
        pytest.param(f"demo --output {__file__}", ExitStatus.USAGE, id="output is a file"),
        pytest.param("demo --count 0", ExitStatus.USAGE, id="no photographs"),
        pytest.param(f"detect http://{NOBODY} /nowhere.jpg", ExitStatus.USAGE, id="no such picture"),
        pytest.param(f"models list --host {NOBODY}", ExitStatus.USAGE, id="no project"),
        pytest.param(
            f"models list --host {NOBODY} --organization a --project b", ExitStatus.UNREACHABLE, id="no loop to list"
        ),
        pytest.param(
            f"models deploy 1.0 --host {NOBODY} --organization a --project b",
            ExitStatus.UNREACHABLE,
            id="no loop to deploy to",
        ),
        pytest.param(
            f"models push {__file__} --format f --host {NOBODY} --organization a --project b",
            ExitStatus.UNREACHABLE,
            id="no loop to push to",
        ),
        pytest.param("models rule --on --off", ExitStatus.USAGE, id="rule on and off"),
        pytest.param("models push /nowhere --format f", ExitStatus.USAGE, id="no such model"),
        pytest.param("import /nowhere", ExitStatus.USAGE, id="no such data set"),
        pytest.param(f"import {Path(__file__).parent}", ExitStatus.FAILED, id="folder without a data set"),
        pytest.param("export /nowhere/to/go --format csv", ExitStatus.USAGE, id="unknown format"),
        pytest.param(
            f"export /nowhere/to/go --format coco --host {NOBODY} --organization a --project b",
            ExitStatus.UNREACHABLE,
            id="no loop to export from",
        ),
    ],
)
def test_exit_status(arguments: str, status: ExitStatus):
    result = CliRunner().invoke(app, arguments.split())
    assert result.exit_code == status, result.output
    assert "Traceback" not in result.output


def test_a_node_that_is_not_there(tmp_path: Path):
    (tmp_path / "a.jpg").write_bytes(jpeg())
    (tmp_path / "b.jpg").write_bytes(jpeg())
    result = CliRunner().invoke(app, ["detect", f"http://{NOBODY}", str(tmp_path)])
    assert result.exit_code == ExitStatus.UNREACHABLE, result.output
    assert len(result.stderr.splitlines()) == 2
    assert result.stdout == ""


def test_an_error_is_one_line_that_names_the_remedy():
    result = CliRunner().invoke(app, f"models list --host {NOBODY} --organization a --project b".split())
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert "LOOP_HOST" in result.stderr


def test_version_as_json():
    facts = json.loads(CliRunner().invoke(app, ["version", "--json"]).stdout)
    assert facts["learning-loop-node"]
    assert isinstance(facts["extras"], list)


def test_every_error_has_an_exit_status():
    for error in vars(errors).values():
        if isinstance(error, type) and issubclass(error, NodeError):
            assert isinstance(exit_status_of(error()), ExitStatus)


def test_help_names_every_exit_status():
    text = " ".join(CliRunner().invoke(app, ["--help"], terminal_width=200).stdout.split())
    assert set(MEANINGS) == set(ExitStatus)
    for status, meaning in MEANINGS.items():
        assert f"{status.value} {meaning}" in text


def test_every_command_and_option_is_explained():
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    groups = [entry for entry in group.commands.values() if isinstance(entry, TyperGroup)]
    assert groups
    for command in [*group.commands.values(), *(command for entry in groups for command in entry.commands.values())]:
        assert command.help, command.name
        for parameter in command.params:
            assert getattr(parameter, "help", None), f"{command.name} {parameter.name}"


def test_help_imports_nothing_heavy():
    code = (
        "import sys, learning_loop_node.cli as cli\n"
        "heavy = {'numpy', 'aiohttp', 'fastapi', 'pydantic', 'uvicorn', 'sqlalchemy', 'cv2', 'PIL', 'socketio'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_pictures_come_from_folders_and_patterns(tmp_path: Path):
    from learning_loop_node.cli.picture_files import picture_files

    for name in ("a.jpg", "b.PNG", "c.txt", "deep/d.jpeg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [file.name for file in picture_files([str(tmp_path)])] == ["a.jpg", "b.PNG", "d.jpeg"]
    assert [file.name for file in picture_files([str(tmp_path / "*.txt"), str(tmp_path / "a.jpg")])] == [
        "c.txt",
        "a.jpg",
    ]
