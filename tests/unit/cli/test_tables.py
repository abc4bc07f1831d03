"""How tables are printed."""

from __future__ import annotations

import pytest
from rich.table import Table

from learning_loop_node.cli.tables import print_table

ID = "0123456789abcdef" * 2


def table(*rows: tuple[str, str, str]) -> Table:
    made = Table("name", "errors", "id")
    for row in rows:
        made.add_row(*row)
    return made


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "50")


def test_without_rows(capsys: pytest.CaptureFixture[str]):
    print_table(table(), "nobody")
    assert capsys.readouterr().out == "nobody\n"


def test_where_nobody_looks_it_is_as_wide_as_it_needs_to_be(capsys: pytest.CaptureFixture[str]):
    print_table(table(("a", "x" * 200, ID)))
    assert "x" * 200 in capsys.readouterr().out


@pytest.mark.usefixtures("terminal")
def test_on_a_terminal_it_is_a_table_if_its_words_fit(capsys: pytest.CaptureFixture[str]):
    print_table(table(("a", "three words here", "1234")))
    assert "│ a    │ three words here │ 1234 │" in capsys.readouterr().out


@pytest.mark.usefixtures("terminal")
def test_the_widest_column_gives_way(capsys: pytest.CaptureFixture[str]):
    print_table(table(("a", "many short words that need a second line", "1234567890")))
    told = capsys.readouterr().out
    assert "│ a    │ many short words that need │ 1234567890 │" in told
    assert {len(line) for line in told.splitlines() if "\x1b" not in line} == {50}


@pytest.mark.usefixtures("terminal")
def test_nothing_is_cut_off_on_a_narrow_terminal(capsys: pytest.CaptureFixture[str]):
    print_table(table(("first one", "", ID), ("b", "no such file", ID)))
    told = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert told == [
        "name  first one",
        f"id    {ID}",
        "",
        "name    b",
        "errors  no such file",
        f"id      {ID}",
    ]
