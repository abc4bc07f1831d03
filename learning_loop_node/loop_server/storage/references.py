"""Which contents are in use: a blob is kept as long as an image or a model has its hash."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from .facets import AT_ONCE
from .tables import ImageRow, ModelFormatRow


async def unreferenced(session: AsyncSession, hashes: Sequence[str]) -> list[str]:
    """Those of these hashes that no image, deleted ones included, and no model has, each once."""
    left = dict.fromkeys(hashes)
    for column in (ImageRow.sha256, ModelFormatRow.sha256):
        asked = list(left)
        for start in range(0, len(asked), AT_ONCE):
            for found in await session.scalars(select(column).where(column.in_(asked[start : start + AT_ONCE]))):
                left.pop(found, None)
    return list(left)
