"""What the outbox tells about itself, for health checks, metrics and people."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from ...enums import OutboxMode


class Dropped(StrEnum):
    """Why an image was given up on purpose, or by somebody's hand."""

    TOO_MANY = "max_size"
    TOO_MANY_BYTES = "max_bytes"
    DISK_FULL = "disk_full"
    DELETED_BY_HAND = "deleted_by_hand"
    QUARANTINE_FULL = "quarantine_full"


@dataclass(kw_only=True, slots=True)
class Counts:
    """What the outbox and its uploader count, in images since the start; the store counts the rest."""

    saved: int = 0
    refused: int = 0
    sent: int = 0
    retried: int = 0
    dropped: dict[str, int] = field(default_factory=dict)


@dataclass(kw_only=True, slots=True, frozen=True)
class OutboxStatus:
    """How many images wait, and what became of the others since the start.

    `found + saved = sent + items + quarantined + dropped`, except that what a full quarantine gives up is counted in
    `quarantined`, too. `found`: there at the start, or brought by hand since. `items`, `priority_items` and
    `size_bytes` wait now; `oldest_age_s` is None if nothing waits. `refused`: saves that failed; `retried`: failed
    tries, one per image in the batch. `last_error` is None while the loop takes what it gets.
    """

    mode: OutboxMode
    items: int
    priority_items: int
    size_bytes: int
    oldest_age_s: float | None
    quarantine_items: int
    found: int
    saved: int
    refused: int
    sent: int
    retried: int
    quarantined: int
    dropped: dict[str, int]
    last_error: str | None
