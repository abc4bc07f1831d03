"""Projects with drawn images, for tests and to try things out."""

from __future__ import annotations

from fastapi import Depends
from starlette.requests import Request

from ...api.operation import Endpoint
from ..access.auth import caller_of
from ..access.rights import Right
from ..generated.project import generate_project
from ..loop import Loop
from ..names import check_name
from ..wire.generator import GeneratedProject, GeneratorRequest
from .projects import SUBJECT, project_record


def endpoints(loop: Loop) -> list[Endpoint]:
    operations = GeneratorOperations(loop)
    return [
        Endpoint(
            method="POST",
            path="/api/{organization}/projects/generator",
            run=operations.generate,
            access=[Depends(loop.auth.needs(Right.MANAGE))],
            options={"tags": ["projects"], "summary": "Make a project with drawn images"},
        ),
    ]


class GeneratorOperations:
    """Answers requests for generated projects."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    async def generate(self, organization: str, new: GeneratorRequest, request: Request) -> GeneratedProject:
        """Make a project with drawn images, categories and models; it is complete when the answer comes.

        What is annotated is what is there, to the pixel. The same parameters always give the same images with the same
        ids.
        """
        check_name("organization", organization)
        check_name("project_name", new.project_name)
        project, rows, image_ids, versions = await generate_project(
            self._loop, organization, new, host=request.url.netloc, user=caller_of(request).author
        )
        self._loop.changes.tell(SUBJECT, organization, project.name, [project.name])
        record = project_record(project, rows)
        return GeneratedProject(**dict(record), image_ids=image_ids, models=versions)
