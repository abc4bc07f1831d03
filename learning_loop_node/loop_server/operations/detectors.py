"""How the detectors of a project are."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import Depends, Query

from ...api.operation import Endpoint
from ...data_classes import codec
from ...errors import InvalidRequestError
from ..access.rights import Right
from ..loop import Loop
from ..storage import deployments, detectors, projects
from ..storage.tables import DetectorRow
from ..wire.detectors import DetectorRecord, DetectorReport, Detectors
from ..wire.ground import Done
from .projects import PROJECT

MAX_STATUS_BYTES = 64 * 1024
MAX_PAGE = 1000


def endpoints(loop: Loop) -> list[Endpoint]:
    operations = DetectorOperations(loop)
    return [
        Endpoint(
            method="POST",
            path=f"{PROJECT}/detectors",
            run=operations.report,
            access=[Depends(loop.auth.needs(Right.REPORT))],
            options={"tags": ["detectors"], "summary": "A detector says how it is"},
        ),
        Endpoint(
            method="GET",
            path=f"{PROJECT}/detectors",
            run=operations.list,
            access=[Depends(loop.auth.needs(Right.READ))],
            options={"tags": ["detectors"], "summary": "What the detectors said last, and who is late"},
        ),
        Endpoint(
            method="DELETE",
            path=f"{PROJECT}/detectors/{{detector_id:path}}",
            run=operations.forget,
            access=[Depends(loop.auth.needs(Right.MANAGE))],
            options={"tags": ["detectors"], "summary": "Forget a detector"},
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
            is_news = await detectors.keep_report(session, row.id, report.uuid, status)
        if is_news:
            self._loop.changes.tell("detectors", organization, project, [report.uuid])
        return Done()

    async def list(
        self,
        organization: str,
        project: str,
        after: str = Query(default="", max_length=256, description="The `next` of the page before."),
        limit: int = Query(default=MAX_PAGE, ge=1, le=MAX_PAGE, description="Detectors per page."),
    ) -> Detectors:
        """The last status of each detector, when it came, and whether the next one is overdue."""
        async with self._loop.database.reading() as session:
            row = await projects.project_named(session, organization, project)
            model = await deployments.deployed(session, row.id)
            rows = await detectors.reports(session, row.id, after=after, limit=limit)
        now = datetime.now(UTC)
        return Detectors(
            detectors=[_record(entry, now, model.version if model else None) for entry in rows],
            next=rows[-1].id if len(rows) == limit else None,
        )

    async def forget(self, organization: str, project: str, detector_id: str) -> Done:
        """Forget a detector. One that still runs is there again with its next report."""
        async with self._loop.database.writing() as session:
            row = await projects.project_named(session, organization, project)
            await detectors.forget(session, row.id, detector_id)
        self._loop.changes.tell("detectors", organization, project, [detector_id])
        return Done()


def _record(row: DetectorRow, now: datetime, deployed: str | None) -> DetectorRecord:
    age_s = max(0.0, (now - row.received).total_seconds())
    known = {
        "received": row.received.isoformat(),
        "age_s": round(age_s, 3),
        "first_seen": (row.first_seen or row.received).isoformat(),
        "interval_s": detectors.interval_of(row.gaps),
        "is_late": detectors.is_late(age_s, row.gaps, row.status.get("state", "")),
        "deployed_model": deployed,
        "runs_deployed": row.status.get("current_model") == deployed if deployed is not None else None,
    }
    return DetectorRecord.model_validate(row.status | known)
