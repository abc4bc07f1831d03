"""How the detectors of a project are."""

from __future__ import annotations

from fastapi import Depends

from ...api.operation import Endpoint
from ...data_classes import codec
from ...errors import InvalidRequestError
from ..loop import Loop
from ..rights import Right
from ..storage import detectors, projects
from ..wire.detectors import DetectorRecord, DetectorReport, Detectors
from ..wire.ground import Done
from .projects import PROJECT

MAX_STATUS_BYTES = 64 * 1024


def endpoints(loop: Loop) -> list[Endpoint]:
    operations = DetectorOperations(loop)
    return [
        Endpoint(
            method="POST",
            path=f"{PROJECT}/detectors",
            run=operations.report,
            access=[Depends(loop.auth.needs(Right.REPORT))],
            options={"tags": ["deployment"], "summary": "A detector says how it is"},
        ),
        Endpoint(
            method="GET",
            path=f"{PROJECT}/detectors",
            run=operations.all,
            access=[Depends(loop.auth.needs(Right.READ))],
            options={"tags": ["deployment"], "summary": "What the detectors said last"},
        ),
    ]


class DetectorOperations:
    """Keeps what detectors say."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    async def report(self, organization: str, project: str, report: DetectorReport) -> Done:
        """Keep the status of a detector; the last one counts."""
        status = report.model_dump(mode="json")
        if len(codec.to_json(status)) > MAX_STATUS_BYTES:
            raise InvalidRequestError(f"the status has more than {MAX_STATUS_BYTES} bytes; shorten errors")
        async with self._loop.database.writing() as session:
            row = await projects.project_named(session, organization, project)
            await detectors.keep_report(session, row.id, report.uuid, status)
        return Done()

    async def all(self, organization: str, project: str) -> Detectors:
        """The last status of each detector, with the time when it came."""
        async with self._loop.database.reading() as session:
            row = await projects.project_named(session, organization, project)
            rows = await detectors.reports(session, row.id)
        return Detectors(
            detectors=[
                DetectorRecord.model_validate(row.status | {"received": row.received.isoformat()}) for row in rows
            ]
        )
