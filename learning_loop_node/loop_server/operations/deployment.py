"""Which model the detectors of a project should run."""

from __future__ import annotations

from fastapi import Depends
from starlette.requests import Request

from ...api.operation import Endpoint
from ...errors import InvalidRequestError, NoTargetError, NotFoundError
from ..auth import caller_of
from ..loop import Loop
from ..rights import Right
from ..storage import models, projects
from ..wire.models import NewTarget, Target
from .projects import PROJECT


def endpoints(loop: Loop) -> list[Endpoint]:
    operations = DeploymentOperations(loop)
    return [
        Endpoint(
            method="GET",
            path=f"{PROJECT}/deployment/target",
            run=operations.target,
            access=[Depends(loop.auth.needs(Right.REPORT))],
            options={"tags": ["deployment"], "summary": "The model that detectors should run"},
        ),
        Endpoint(
            method="PUT",
            path=f"{PROJECT}/deployment/target",
            run=operations.set_target,
            access=[Depends(loop.auth.needs(Right.MANAGE))],
            options={"tags": ["deployment"], "summary": "Choose the model that detectors should run"},
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
            model = await models.deployed(session, row.id)
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
            await models.deploy(session, model, caller_of(request).name)
        return Target(model_uuid=model.id, version=model.version)
