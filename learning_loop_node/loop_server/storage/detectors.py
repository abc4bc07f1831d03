"""What detectors said last."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from ...errors import RefusedError
from .tables import DetectorRow

MAX_DETECTORS = 10_000
"""Of one project; every visitor may report, so there is an end."""


async def keep_report(session: AsyncSession, project_id: str, detector_id: str, status: dict[str, Any]) -> None:
    row = await session.get(DetectorRow, (project_id, detector_id))
    if row is None:
        count = await session.scalar(select(func.count()).where(DetectorRow.project_id == project_id))
        if (count or 0) >= MAX_DETECTORS:
            raise RefusedError(f"this project has {MAX_DETECTORS} detectors already")
        session.add(DetectorRow(project_id=project_id, id=detector_id, received=datetime.now(UTC), status=status))
    else:
        row.received, row.status = datetime.now(UTC), status


async def reports(session: AsyncSession, project_id: str) -> Sequence[DetectorRow]:
    query = select(DetectorRow).where(DetectorRow.project_id == project_id).order_by(DetectorRow.id)
    return (await session.scalars(query)).all()
