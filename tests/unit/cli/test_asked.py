"""What commands about a project are asked, and what they say of other commands."""

from __future__ import annotations

import doctest
from types import ModuleType
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from learning_loop_node.cli import conversions, loop_words
from learning_loop_node.cli.asked import Asked, about_a_project
from learning_loop_node.doctor import quantities


@pytest.mark.parametrize("module", [loop_words, conversions, quantities])
def test_examples(module: ModuleType):
    results = doctest.testmod(module)
    assert results.attempted
    assert not results.failed


@pytest.fixture
def app() -> typer.Typer:
    """One command, which shows another one."""
    made = typer.Typer()

    @made.command()
    @about_a_project()
    def show(asked: Asked, name: Annotated[str, typer.Argument(help="A name.")]) -> None:
        """Show it."""
        typer.echo(f"{asked.place} {asked.as_json} {asked.command('models', 'show', name)}")

    return made


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param([], "o/p False learning-loop models show 'a b'", id="all from the environment"),
        pytest.param(["--project", "q"], "o/q False learning-loop models show 'a b' --project q", id="a project"),
        pytest.param(
            ["--json", "--host", "h:1", "--organization", "x y", "--username", "me", "--password", "secret"],
            "x y/p True learning-loop models show 'a b' --host h:1 --username me --password ... --organization 'x y'",
            id="all but the project",
        ),
    ],
)
def test_a_command_that_is_shown_is_about_the_same_place(
    app: typer.Typer, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str
):
    monkeypatch.setenv("LOOP_ORGANIZATION", "o")
    monkeypatch.setenv("LOOP_PROJECT", "p")
    result = CliRunner().invoke(app, ["a b", *arguments])
    assert result.output == f"{told}\n"


def test_the_options_stand_in_the_help(app: typer.Typer):
    text = CliRunner().invoke(app, ["--help"], terminal_width=200).output
    assert "Show it." in text
    for name in ("--host", "--username", "--password", "--organization", "--project", "--json"):
        assert name in text
