"""Projects at the loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..data_classes import Category, Context
from ..data_classes.codec import from_dict
from .categories import StoredCategory
from .http import LoopHttp
from .place import Place, entries_of, part_of_path

GENERATE_S = 600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectEntry:
    """A project in the list of all projects; `resource` is its path without `/api`."""

    organization_id: str
    project_id: str
    resource: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """A project and what is marked in its images. `version` counts the changes of it and of its categories."""

    context: Context
    categories: list[StoredCategory] = field(default_factory=list)
    description: str | None = None
    version: int = 1
    created: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DeletedProject:
    """A project that can be restored until `ends`; `id` tells those apart that had the same name."""

    id: str
    organization_id: str
    project_id: str
    deleted: str
    ends: str


class Projects:
    """All projects that we may see."""

    def __init__(self, http: LoopHttp) -> None:
        self._http = http

    async def list(self) -> Sequence[ProjectEntry]:
        answer = await self._http.json("GET", "/projects")
        return [from_dict(ProjectEntry, entry) for entry in entries_of(answer, "projects")]

    async def get(self, context: Context) -> Project:
        """Raises `NotFoundError` (of our own loop) or `LoopRefusedError` if there is none."""
        return _project(context, await self._http.json("GET", Place(self._http, context).path()))

    async def create(
        self, context: Context, categories: Sequence[Category | str] = (), *, description: str | None = None
    ) -> Project:
        """Raises `RefusedError` if there is one of this name. A category given as its name alone marks boxes."""
        path = f"/{part_of_path(context.organization)}/projects"
        body = {"project_id": context.project, "categories": list(categories), "description": description}
        return _project(context, await self._http.json("POST", path, json=body))

    async def describe(self, context: Context, description: str | None, *, version: int | None = None) -> Project:
        """With `version`, `RefusedError` if somebody else has changed the project since."""
        body = {"description": description} | ({"version": version} if version is not None else {})
        return _project(context, await self._http.json("PATCH", Place(self._http, context).path(), json=body))

    async def delete(self, context: Context) -> DeletedProject:
        """Delete a project with everything in it; it can be restored for a while."""
        return from_dict(DeletedProject, await self._http.json("DELETE", Place(self._http, context).path()))

    async def deleted(self, organization: str) -> Sequence[DeletedProject]:
        """The projects that can be restored, the one that was deleted last first."""
        answer = await self._http.json("GET", f"/{part_of_path(organization)}/projects/deleted")
        return [from_dict(DeletedProject, entry) for entry in entries_of(answer, "projects")]

    async def restore(self, context: Context, *, id: str | None = None, name: str | None = None) -> Project:
        """Bring back the project that had this name, by default the last one, if need be under another name."""
        wanted = {"id": id, "name": name}
        path = Place(self._http, context).path("/restore")
        answer = await self._http.json("POST", path, params={key: value for key, value in wanted.items() if value})
        restored = Context(organization=context.organization, project=name or context.project)
        return _project(restored, answer)

    async def generate(self, context: Context, **parameters: Any) -> Mapping[str, Any]:
        """Make a project with drawn images; the parameters are those of `POST /{organization}/projects/generator`."""
        path = f"/{part_of_path(context.organization)}/projects/generator"
        body = {"project_name": context.project} | parameters
        answer: dict[str, Any] = await self._http.json("POST", path, json=body, timeout_s=GENERATE_S)
        return answer


def _project(context: Context, answer: Any) -> Project:
    values = answer if isinstance(answer, dict) else {}
    return from_dict(Project, values | {"context": context})
