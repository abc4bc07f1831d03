"""What converters did with models."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from ...enums import ConversionState
from ...errors import NotFoundError, RefusedError
from .tables import ConversionRow, ModelRow

CLAIM = timedelta(seconds=120)
"""So long a converter that says nothing keeps others from the same work."""


async def conversions_of(session: AsyncSession, models: Sequence[ModelRow]) -> dict[str, list[ConversionRow]]:
    """What was done for these models, by the model's id."""
    query = select(ConversionRow).where(ConversionRow.model_id.in_([model.id for model in models]))
    result: dict[str, list[ConversionRow]] = {model.id: [] for model in models}
    for row in await session.scalars(query.order_by(ConversionRow.format)):
        result[row.model_id].append(row)
    return result


async def claimed(
    session: AsyncSession, model: ModelRow, model_format: str, node_id: str, now: datetime
) -> ConversionRow:
    """The row for this format, made if there is none; `RefusedError` while another converter works on it."""
    row = await session.get(ConversionRow, (model.id, model_format))
    if row is None:
        row = ConversionRow(model_id=model.id, format=model_format, state=ConversionState.Waiting, attempts=0)
        session.add(row)
    elif row.state == ConversionState.Running and row.node_id != node_id and now - row.changed < CLAIM:
        raise RefusedError(
            f"model {model.version} is being converted to {model_format} by {row.node or row.node_id} already"
        )
    return row


async def ask_again(session: AsyncSession, model: ModelRow, model_format: str, now: datetime) -> ConversionRow:
    """Let converters try it again. `NotFoundError` if none has tried, `RefusedError` if none has failed."""
    row = await session.get(ConversionRow, (model.id, model_format))
    if row is None:
        raise NotFoundError(f"no converter has tried to convert model {model.version} to {model_format}")
    if row.state not in (ConversionState.Failed, ConversionState.Waiting):
        raise RefusedError(f"the conversion of model {model.version} to {model_format} is {row.state}, not failed")
    row.state, row.error, row.code, row.changed = ConversionState.Waiting, None, None, now
    return row


async def finish(session: AsyncSession, model_id: str, model_format: str, now: datetime) -> None:
    """Note that the model has this format; nothing happens if no converter has worked on it."""
    done = {"state": ConversionState.Done, "error": None, "code": None, "changed": now}
    await session.execute(
        update(ConversionRow)
        .where(ConversionRow.model_id == model_id, ConversionRow.format == model_format)
        .values(**done)
    )
