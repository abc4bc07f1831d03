"""What detectors said last, and how often they say something."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from statistics import median
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from ...errors import NotFoundError, RefusedError
from .tables import DetectorRow

MAX_DETECTORS = 10_000
"""Of one project; every visitor may report, so there is an end."""

GAPS = 9
USUAL_S = 30.0
"""How often a detector reports unless told otherwise."""

LATE = 3
"""After so many intervals without a report, a detector is late."""


async def keep_report(session: AsyncSession, project_id: str, detector_id: str, status: dict[str, Any]) -> bool:
    """Keep a status; returns whether it says something new (how long a detector is up is not new)."""
    now = datetime.now(UTC)
    row = await session.get(DetectorRow, (project_id, detector_id))
    if row is None:
        count = await session.scalar(select(func.count()).where(DetectorRow.project_id == project_id))
        if (count or 0) >= MAX_DETECTORS:
            raise RefusedError(f"this project has {MAX_DETECTORS} detectors already; forget some (DELETE)")
        session.add(
            DetectorRow(project_id=project_id, id=detector_id, first_seen=now, received=now, gaps=[], status=status)
        )
        return True
    is_news = _without_uptime(row.status) != _without_uptime(status)
    row.gaps = [*row.gaps, round((now - row.received).total_seconds(), 3)][-GAPS:]
    row.received, row.status = now, status
    return is_news


async def reports(session: AsyncSession, project_id: str, *, after: str, limit: int) -> Sequence[DetectorRow]:
    """By the ids of the detectors, from after this one on."""
    query = select(DetectorRow).where(DetectorRow.project_id == project_id, DetectorRow.id > after)
    return (await session.scalars(query.order_by(DetectorRow.id).limit(limit))).all()


async def forget(session: AsyncSession, project_id: str, detector_id: str) -> None:
    """Raises `NotFoundError` if there is no such detector."""
    found = delete(DetectorRow).where(DetectorRow.project_id == project_id, DetectorRow.id == detector_id)
    if not (await session.execute(found.returning(DetectorRow.id))).all():
        raise NotFoundError(f"there is no detector {detector_id} in this project")


def interval_of(gaps: Sequence[float]) -> float:
    """Seconds between the regular reports of a detector, from the gaps between its last ones.

    The median is that of the regular ones: neither a report out of turn nor a time without network counts.

    >>> interval_of([]), interval_of([30.1, 2.0, 29.9, 7200.0, 30.0])
    (30.0, 30.0)
    """
    return median(gaps) if len(gaps) > 1 else USUAL_S


def is_late(age_s: float, gaps: Sequence[float], state: str) -> bool:
    """Whether a report is overdue; a detector that said that it ends owes none.

    >>> is_late(80, [], "online"), is_late(100, [], "online"), is_late(100, [], "offline")
    (False, True, False)
    """
    return state != "offline" and age_s > LATE * max(interval_of(gaps), 1.0)


def _without_uptime(status: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in status.items() if name != "uptime"}
