"""What a check has found."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is. An `ERROR` keeps a node from its work, a `WARNING` may do so one day."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`subject` names the check, `looked_at` the thing that was examined; `remedy` says what to do, if anything."""

    subject: str
    level: Level
    looked_at: str
    found: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A question about one subject. `run` answers it, and does not raise for what it was made to find.

    With `blocks`, the checks behind it make no sense if it finds an error.
    """

    subject: str
    looked_at: str
    run: Callable[[], Awaitable[Verdict]]
    blocks: bool = True


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to a check."""

    level: Level
    found: str
    remedy: str = ""


def ok(found: str) -> Verdict:
    return Verdict(Level.OK, found)


def warning(found: str, remedy: str) -> Verdict:
    return Verdict(Level.WARNING, found, remedy)


def error(found: str, remedy: str) -> Verdict:
    return Verdict(Level.ERROR, found, remedy)


Chain = Sequence[Check]
"""Checks of which each builds on those before it."""


def images_are(count: int, what: str) -> str:
    """How many images are waiting, or whatever else they are.

    >>> images_are(1, "waiting"), images_are(0, "in quarantine")
    ('1 image is waiting', '0 images are in quarantine')
    """
    return f"1 image is {what}" if count == 1 else f"{count} images are {what}"
