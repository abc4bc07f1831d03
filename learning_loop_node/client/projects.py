"""Projects at the loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..data_classes import Category, Context
from ..data_classes.codec import from_dict
from .http import LoopHttp
from .place import Place, entries_of, part_of_path


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectEntry:
    """A project in the list of all projects; `resource` is its path without `/api`."""

    organization_id: str
    project_id: str
    resource: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """A project and what is marked in its images."""

    context: Context
    categories: list[Category] = field(default_factory=list)


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

    async def create(self, context: Context, categories: Sequence[Category] = ()) -> Project:
        """Raises `RefusedError` if there is one of this name."""
        path = f"/{part_of_path(context.organization)}/projects"
        body = {"project_id": context.project, "categories": list(categories)}
        return _project(context, await self._http.json("POST", path, json=body))

    async def delete(self, context: Context) -> None:
        """Delete a project with everything in it."""
        await self._http.json("DELETE", Place(self._http, context).path())


def _project(context: Context, answer: Any) -> Project:
    categories = answer.get("categories") if isinstance(answer, dict) else None
    return Project(context=context, categories=Category.from_list(categories or []))
