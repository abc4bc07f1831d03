"""Which models were deployed, one after the other; the last one counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from ...errors import NotFoundError
from .tables import DeploymentRow, ModelRow, UtcTime


@dataclass(frozen=True, slots=True)
class Deployment:
    """A model that was deployed from `since` until the next one came; `until` is None for the one that is deployed."""

    number: int
    model: ModelRow
    since: datetime
    until: datetime | None
    user: str | None


async def deployed(session: AsyncSession, project_id: str) -> ModelRow | None:
    """The model that detectors should run, None if nobody has chosen one."""
    found = await history(session, project_id, limit=1)
    return found[0].model if found else None


async def was_deployed(session: AsyncSession, model: ModelRow) -> bool:
    """Whether detectors should run this model, or should have run it before."""
    query = select(DeploymentRow.number).where(DeploymentRow.project_id == model.project_id)
    return await session.scalar(query.where(DeploymentRow.model_id == model.id).limit(1)) is not None


async def deploy(session: AsyncSession, model: ModelRow, user: str | None) -> None:
    """Let the detectors of the project run this model from now on; `user` is who says so."""
    session.add(DeploymentRow(project_id=model.project_id, model_id=model.id, since=datetime.now(UTC), user=user))


async def history(
    session: AsyncSession, project_id: str, *, limit: int, before: int | None = None
) -> Sequence[Deployment]:
    """What was deployed, newest first, from before this number on."""
    query = _deployments(project_id)
    if before is not None:
        query = query.where(DeploymentRow.number < before)
    return await _found(session, query.limit(limit))


async def numbered(session: AsyncSession, project_id: str, number: int) -> Deployment:
    found = await _found(session, _deployments(project_id).where(DeploymentRow.number == number))
    if not found:
        raise NotFoundError(f"there is no deployment {number} in this project; its history names those that are")
    return found[0]


async def former(session: AsyncSession, project_id: str) -> Deployment | None:
    """The last deployment of another model than the one that is deployed, None if there was none."""
    present = await deployed(session, project_id)
    if present is None:
        return None
    found = await _found(session, _deployments(project_id).where(DeploymentRow.model_id != present.id).limit(1))
    return found[0] if found else None


def _deployments(project_id: str) -> Select[DeploymentRow, ModelRow, datetime | None]:
    ends = (
        select(
            DeploymentRow.number,
            func.lead(DeploymentRow.since, type_=UtcTime()).over(order_by=DeploymentRow.number).label("until"),
        )
        .where(DeploymentRow.project_id == project_id)
        .subquery()
    )
    return (
        select(DeploymentRow, ModelRow, ends.c.until)
        .join(ModelRow, ModelRow.id == DeploymentRow.model_id)
        .join(ends, ends.c.number == DeploymentRow.number)
        .where(DeploymentRow.project_id == project_id)
        .order_by(DeploymentRow.number.desc())
    )


async def _found(session: AsyncSession, query: Select[DeploymentRow, ModelRow, datetime | None]) -> list[Deployment]:
    return [
        Deployment(row.number, model, row.since, until, row.user) for row, model, until in await session.execute(query)
    ]
