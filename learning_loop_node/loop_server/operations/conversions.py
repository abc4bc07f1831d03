"""Models that converters give another format, and why they could not."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import Depends

from ...api.operation import Endpoint
from ...enums import ConversionState
from ..access.rights import Right
from ..loop import Loop
from ..names import check_format
from ..storage import conversions, models, projects
from ..storage.tables import ConversionRow
from ..wire.conversions import ConversionRecord, ConversionReport, Conversions
from .projects import PROJECT

SUBJECT = "conversions"


def endpoints(loop: Loop) -> list[Endpoint]:
    operations = ConversionOperations(loop)
    managers = [Depends(loop.auth.needs(Right.MANAGE))]
    conversions_path = f"{PROJECT}/models/{{model_id}}/conversions"
    return [
        Endpoint(
            method="GET",
            path=conversions_path,
            run=operations.all,
            access=[Depends(loop.auth.needs(Right.READ))],
            options={"tags": ["models"], "summary": "What converters did with a model"},
        ),
        Endpoint(
            method="PUT",
            path=f"{conversions_path}/{{model_format}}",
            run=operations.report,
            access=managers,
            options={"tags": ["models"], "summary": "A converter begins, goes on, or has failed"},
        ),
        Endpoint(
            method="POST",
            path=f"{conversions_path}/{{model_format}}/retry",
            run=operations.retry,
            access=managers,
            options={"tags": ["models"], "summary": "Let converters try again what has failed"},
        ),
    ]


class ConversionOperations:
    """Lets one converter at a time work on a format of a model, and shows what came of it."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    async def all(self, organization: str, project: str, model_id: str) -> Conversions:
        """The formats on which converters worked, also those that are there by now."""
        async with self._loop.database.reading() as session:
            row = await projects.project_named(session, organization, project)
            model = await models.model_named(session, row.id, model_id)
            found = await conversions.conversions_of(session, [model])
        return Conversions(conversions=[conversion_record(entry) for entry in found[model.id]])

    async def report(
        self, organization: str, project: str, model_id: str, model_format: str, report: ConversionReport
    ) -> ConversionRecord:
        """Keep what a converter says.

        `running` keeps other converters away for two minutes after it was said last. 409 if another one works on it, or
        if the model has the format.
        """
        check_format(model_format)
        now = datetime.now(UTC)
        async with self._loop.database.writing() as session:
            project_row = await projects.project_named(session, organization, project)
            model = await models.model_named(session, project_row.id, model_id)
            await models.refuse_taken_format(session, model.id, model_format)
            row = await conversions.claimed(session, model, model_format, report.node_id, now)
            state = ConversionState(report.state)
            is_new = (row.state, row.node_id) != (state, report.node_id)
            row.attempts += is_new and state is ConversionState.Running
            row.error, row.code = (report.error, report.code) if state is ConversionState.Failed else (None, None)
            row.state, row.changed = state, now
            for name in ("node", "node_id", "converter", "source_format", "source_sha256"):
                setattr(row, name, getattr(report, name))
            record = conversion_record(row)
        if is_new:
            self._loop.changes.tell(SUBJECT, organization, project, [model.id])
        return record

    async def retry(self, organization: str, project: str, model_id: str, model_format: str) -> ConversionRecord:
        """Converters try again by themselves only after a change of the model's source, or of the converter."""
        async with self._loop.database.writing() as session:
            project_row = await projects.project_named(session, organization, project)
            model = await models.model_named(session, project_row.id, model_id)
            row = await conversions.ask_again(session, model, model_format, datetime.now(UTC))
            record = conversion_record(row)
        self._loop.changes.tell(SUBJECT, organization, project, [model.id])
        return record


def conversion_record(row: ConversionRow) -> ConversionRecord:
    return ConversionRecord(
        format=row.format,
        state=ConversionState(row.state),
        error=row.error,
        code=row.code,
        node=row.node,
        node_id=row.node_id,
        converter=row.converter,
        source_format=row.source_format,
        source_sha256=row.source_sha256,
        attempts=row.attempts,
        changed=row.changed.isoformat(),
    )
