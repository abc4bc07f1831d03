"""What a node tells about the images in its outbox, one by one."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(kw_only=True, slots=True)
class OutboxEntry:
    """An image that waits, or lies in quarantine: then `reason` says why.

    `lane` is `priority` or `normal`: where it waits, or where a retry puts it. `age_s` counts from when it was saved.
    """

    name: str
    lane: str
    size_bytes: int
    age_s: float
    tags: list[str] = field(default_factory=list)
    source: str | None = None
    reason: str | None = None


@dataclass(kw_only=True, slots=True)
class OutboxPage:
    """Some entries, those that are sent first at the front; `next` is the cursor for those behind them, if any."""

    entries: list[OutboxEntry] = field(default_factory=list)
    next: str | None = None


@dataclass(kw_only=True, slots=True)
class Retried:
    """How many images wait again that were in quarantine, and why others do not, by their names."""

    count: int = 0
    left: dict[str, str] = field(default_factory=dict)
