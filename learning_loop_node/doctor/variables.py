"""Whether the settings can be used, and whether a variable was meant to be one."""

from __future__ import annotations

from collections.abc import Mapping

from .finding import Verdict, error, ok, warning


async def check_settings(problem: str, older: Mapping[str, str]) -> Verdict:
    """`problem` is what was wrong when they were read; `older` are variables that count by an older name only."""
    if problem:
        return error(problem, "correct this variable")
    if older:
        names = ", ".join(f"{name} is taken as {meant}" for name, meant in older.items())
        return warning(names, "other programs set these names, too; use the newer ones if that is not meant")
    return ok("can be used")


async def check_spelling(misspelled: Mapping[str, str]) -> Verdict:
    """`misspelled` are variables that look like one of ours, and what is probably meant."""
    if not misspelled:
        return ok("no variable looks like a misspelled one of ours")
    names = "; ".join(f"{name} is no setting, {meant} is" for name, meant in misspelled.items())
    return warning(names, "correct the name, or ignore this if it belongs to another program")
