"""Which model the detectors of a project should run, and which they should have run before."""

from __future__ import annotations

from fastapi import Depends, Query
from starlette.requests import Request

from ...api.operation import Endpoint
from ...errors import InvalidRequestError, NoTargetError, NotFoundError, RefusedError
from ..access.auth import caller_of
from ..access.rights import Right
from ..deployment_rule import rule_of
from ..loop import Loop
from ..storage import deployments, models, projects
from ..storage.deployments import Deployment
from ..storage.tables import ModelRow
from ..wire.models import DeploymentRecord, Deployments, DeployRule, NewTarget, Rollback, Target
from .projects import PROJECT

PAGE = 100
MAX_PAGE = 1000


def endpoints(loop: Loop) -> list[Endpoint]:
    operations = DeploymentOperations(loop)
    managers = [Depends(loop.auth.needs(Right.MANAGE))]
    return [
        Endpoint(
            method="GET",
            path=f"{PROJECT}/deployment/target",
            run=operations.target,
            access=[Depends(loop.auth.needs(Right.TARGET))],
            options={"tags": ["deployment"], "summary": "The model that detectors should run"},
        ),
        Endpoint(
            method="PUT",
            path=f"{PROJECT}/deployment/target",
            run=operations.set_target,
            access=managers,
            options={"tags": ["deployment"], "summary": "Choose the model that detectors should run"},
        ),
        Endpoint(
            method="GET",
            path=f"{PROJECT}/deployment/history",
            run=operations.history,
            access=[Depends(loop.auth.needs(Right.READ))],
            options={"tags": ["deployment"], "summary": "Which models were deployed, when and by whom"},
        ),
        Endpoint(
            method="POST",
            path=f"{PROJECT}/deployment/rollback",
            run=operations.roll_back,
            access=managers,
            options={"tags": ["deployment"], "summary": "Deploy again what was deployed before"},
        ),
        Endpoint(
            method="GET",
            path=f"{PROJECT}/deployment/rule",
            run=operations.rule,
            access=[Depends(loop.auth.needs(Right.READ))],
            options={"tags": ["deployment"], "summary": "Whether a better model is deployed by itself"},
        ),
        Endpoint(
            method="PUT",
            path=f"{PROJECT}/deployment/rule",
            run=operations.set_rule,
            access=managers,
            options={"tags": ["deployment"], "summary": "Say whether a better model is deployed by itself"},
        ),
    ]


class DeploymentOperations:
    """Answers requests for the deployment target."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    async def target(self, organization: str, project: str) -> Target:
        """The model that detectors should run; 404 if nobody has chosen one."""
        async with self._loop.database.reading() as session:
            row = await projects.project_named(session, organization, project)
            model = await deployments.deployed(session, row.id)
        if model is None:
            raise NoTargetError(f"{organization}/{project} has no deployment target yet; choose one with PUT")
        return Target(model_uuid=model.id, version=model.version)

    async def set_target(self, organization: str, project: str, new: NewTarget, request: Request) -> Target:
        """Choose a model by its version or its id. Detectors change to it within seconds."""
        if new.version is None and new.model_uuid is None:
            raise InvalidRequestError("version or model_uuid is missing: name the model by one of them")
        async with self._loop.database.writing() as session:
            row = await projects.project_named(session, organization, project)
            if new.model_uuid is not None:
                model = await models.model_by_id(session, row.id, new.model_uuid)
            else:
                model = await models.model_by_version(session, row.id, new.version or "")
            if new.version not in (None, model.version):
                raise InvalidRequestError(f"model_uuid is that of version {model.version}, not {new.version}")
            if not (await models.formats_of(session, [model]))[model.id]:
                raise NotFoundError(f"version {model.version} has no files yet")
            await deployments.deploy(session, model, caller_of(request).author)
        return self._told(organization, project, model)

    async def history(
        self,
        organization: str,
        project: str,
        before: int | None = Query(default=None, ge=1, le=2**53, description="The `next` of the page before."),
        limit: int = Query(default=PAGE, ge=1, le=MAX_PAGE, description="Entries per page."),
    ) -> Deployments:
        """Which models were deployed, newest first; the first one is deployed now."""
        async with self._loop.database.reading() as session:
            row = await projects.project_named(session, organization, project)
            found = await deployments.history(session, row.id, limit=limit, before=before)
        is_full = len(found) == limit
        return Deployments(deployments=[_record(entry) for entry in found], next=found[-1].number if is_full else None)

    async def roll_back(self, organization: str, project: str, wanted: Rollback, request: Request) -> Target:
        """Deploy again what an entry of the history names, or the last model before the present one.

        It becomes a new entry; the history keeps what was.
        """
        async with self._loop.database.writing() as session:
            row = await projects.project_named(session, organization, project)
            if wanted.number is not None:
                entry: Deployment | None = await deployments.numbered(session, row.id, wanted.number)
            else:
                entry = await deployments.former(session, row.id)
            if entry is None:
                raise RefusedError(f"no other model was deployed in {organization}/{project} before")
            await deployments.deploy(session, entry.model, caller_of(request).author)
        return self._told(organization, project, entry.model)

    async def rule(self, organization: str, project: str) -> DeployRule:
        """The rule of a project; it deploys nothing unless somebody has said so."""
        async with self._loop.database.reading() as session:
            return rule_of(await projects.project_named(session, organization, project))

    async def set_rule(self, organization: str, project: str, new: DeployRule) -> DeployRule:
        """Replace the rule. It is applied to each model whose training finishes from now on."""
        async with self._loop.database.writing() as session:
            row = await projects.project_named(session, organization, project)
            row.deploy_rule = new.model_dump(mode="json")
        self._loop.changes.tell("projects", organization, project, [project])
        return new

    def _told(self, organization: str, project: str, model: ModelRow) -> Target:
        self._loop.changes.tell("deployments", organization, project, [model.id])
        return Target(model_uuid=model.id, version=model.version)


def _record(entry: Deployment) -> DeploymentRecord:
    return DeploymentRecord(
        number=entry.number,
        model_uuid=entry.model.id,
        version=entry.model.version,
        since=entry.since.isoformat(),
        until=entry.until.isoformat() if entry.until else None,
        user=entry.user,
    )
