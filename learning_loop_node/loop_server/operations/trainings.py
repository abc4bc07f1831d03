"""How the models of a project came to be."""

from __future__ import annotations

from fastapi import Depends

from ...api.operation import Endpoint
from ..access.rights import Right
from ..loop import Loop
from ..storage import models, projects
from ..wire.trainings import Chart, ChartPoint, Charts
from .projects import PROJECT


def endpoints(loop: Loop) -> list[Endpoint]:
    operations = TrainingOperations(loop)
    return [
        Endpoint(
            method="GET",
            path=f"{PROJECT}/trainings",
            run=operations.charts,
            access=[Depends(loop.auth.needs(Right.READ))],
            options={"tags": ["models"], "summary": "The models of a project as charts"},
        ),
    ]


class TrainingOperations:
    """Answers requests for trainings."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    async def charts(self, organization: str, project: str) -> Charts:
        """The models of a project that have files, in one chart, the newest first."""
        async with self._loop.database.reading() as session:
            row = await projects.project_named(session, organization, project)
            found = await models.models_of(session, row.id)
            formats = await models.formats_of(session, found)
        points = [
            ChartPoint(model_id=model.id, version=model.version, created=model.created.isoformat())
            for model in reversed(found)
            if formats[model.id]
        ]
        return Charts(charts=[Chart(data=points)])
