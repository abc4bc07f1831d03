"""Figures as the table of the README, and raw as JSON."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterable
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .figures import Figure, Who, times

HEADER = (
    "| what | ours | 0.27 | ratio | bare server | goal | |\n"
    "|---|---|---|---|---|---|---|"
)  # fmt: skip

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"


def row(figure: Figure) -> str:
    """One row; a p99 of requests stands in brackets."""
    verdict = {True: "met", False: "**short**", None: "–"}[figure.is_met]
    ratio = "–" if figure.ratio is None else times(figure.ratio)
    shown = [_shown(figure, who) for who in (Who.OURS, Who.THEIRS)]
    cells = [figure.what, *shown, ratio, _shown(figure, Who.BARE), figure.goal.text(figure.unit), verdict]
    return f"| {' | '.join(cells)} |"


def markdown(figures: Iterable[Figure]) -> str:
    """The table with its notes below it."""
    figures = list(figures)
    notes = [f"- {figure.what}: {figure.note}" for figure in figures if figure.note]
    return "\n".join([HEADER, *map(row, figures), *([""] if notes else []), *notes, ""])


def table_of(figures: dict[str, list[Figure]]) -> str:
    """The table of all cases."""
    return markdown(figure for found in figures.values() for figure in found)


def write(folder: Path, figures: dict[str, list[Figure]]) -> None:
    """`figures.md` and `figures.json` in this folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "figures.md").write_text(table_of(figures))
    cases = {name: [_raw(figure) for figure in found] for name, found in figures.items()}
    (folder / "figures.json").write_text(json.dumps({"machine": _machine(), "cases": cases}, indent=1) + "\n")


def into(text: str, table: str) -> str:
    """This text with the table between its two marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"there is no place for the table: the lines {BEGIN} and {END} are missing")
    return f"{before}{BEGIN}\n{table}{END}{after}"


def _shown(figure: Figure, who: Who) -> str:
    median = figure.median(who)
    if median is None:
        return "–"
    text = f"{_number(median)} {figure.unit}"
    return f"{text} ({figure.p99_ms[who]:.0f} ms)" if who in figure.p99_ms else text


def _number(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _raw(figure: Figure) -> dict[str, Any]:
    return {
        "what": figure.what,
        "unit": figure.unit,
        "values": figure.values,
        "ratio": figure.ratio,
        "p99_ms": figure.p99_ms,
        "goal": figure.goal.text(figure.unit),
        "is_met": figure.is_met,
        "note": figure.note,
    }


def _machine() -> dict[str, Any]:
    return {
        "time": datetime.now().isoformat(timespec="seconds"),
        "processors": os.cpu_count(),
        "system": platform.platform(),
        "python": sys.version.split()[0],
        "learning-loop-node": version("learning-loop-node"),
        "load_average": os.getloadavg(),
    }
