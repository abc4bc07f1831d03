"""The command doctor: what it prints, and with which status it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from learning_loop_node.cli import app
from learning_loop_node.cli.exit_status import ExitStatus
from learning_loop_node.settings import ENVIRONMENT

NOBODY = "127.0.0.1:9"
"""An address at which nobody listens."""


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ENVIRONMENT:
        for name in (variable.name, variable.older, "NODE_PORT"):
            if name:
                monkeypatch.delenv(name, raising=False)


def findings_of(*arguments: str, status: ExitStatus = ExitStatus.FAILED) -> dict[str, dict[str, str]]:
    result = CliRunner().invoke(app, ["doctor", "--json", *arguments])
    assert result.exit_code == status, result.output
    return {finding["subject"]: finding for finding in json.loads(result.stdout)}


def test_findings_as_json(tmp_path: Path):
    found = findings_of("--host", NOBODY, "--data", str(tmp_path), "--node", NOBODY)
    assert found["connection"]["level"] == "error"
    assert found["connection"]["looked_at"] == f"{NOBODY} (LOOP_HOST)"
    assert found["project"]["level"] == "skipped"
    assert found["data folder"]["level"] == "ok"
    assert str(tmp_path) in found["data folder"]["looked_at"]
    assert found["node"]["level"] == "error"
    assert "port" not in found  # nobody has said which


def test_a_table(tmp_path: Path):
    result = CliRunner().invoke(app, ["doctor", "--host", NOBODY, "--data", str(tmp_path), "--port", "1"])
    assert result.exit_code == ExitStatus.FAILED
    assert "nothing listens on this port" in result.stdout
    assert "→ start it there" in result.stdout
    assert "NODE_PORT" in result.stdout


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("SYNC_CYCLES", "often", id="no number"),
        pytest.param("LOOP_HOST", "user:pw@host", id="no host"),
        pytest.param("NODE_PORT", "http", id="no port"),
    ],
)
def test_settings_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch, name: str, value: str):
    monkeypatch.setenv(name, value)
    found = findings_of()
    assert found["settings"]["level"] == "error"
    assert name in found["settings"]["found"]
    assert "loop" not in found


def test_a_misspelled_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("LOOP_PASWORD", "hunter2")
    found = findings_of("--host", NOBODY, "--data", str(tmp_path))
    assert found["spelling"]["level"] == "warning"
    assert "hunter2" not in json.dumps(found)


def test_what_is_no_address():
    result = CliRunner().invoke(app, ["doctor", "--node", "http://a b/"])
    assert result.exit_code == ExitStatus.USAGE
