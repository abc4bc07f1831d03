"""Tells whoever listens what has changed in the loop, as soon as it is kept."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

REMEMBERED = 1000
"""So many changes can be asked for again after a lost connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something that has changed. `subject` is a resource of the loop such as `images`; `ids` are those concerned."""

    number: int
    subject: str
    organization: str
    project: str | None
    ids: Sequence[str]
    moment: datetime


class Changes:
    """Remembers the last changes, in their order, for whoever asks what is new."""

    def __init__(self) -> None:
        self._last = 0
        self._remembered: deque[Change] = deque(maxlen=REMEMBERED)

    def tell(self, subject: str, organization: str, project: str | None, ids: Sequence[str]) -> None:
        """Call it after what has changed is kept, never before."""
        self._last += 1
        self._remembered.append(
            Change(
                number=self._last,
                subject=subject,
                organization=organization,
                project=project,
                ids=ids,
                moment=datetime.now(UTC),
            )
        )
