"""The path of a project at the loop."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ..data_classes import Context
from ..errors import InvalidRequestError, LoopError, SettingError
from .http import LoopHttp


@dataclass(frozen=True, slots=True)
class Place:
    """Where the resources of one project are."""

    http: LoopHttp
    context: Context

    def path(self, rest: str = "") -> str:
        """The path of something in the project; `SettingError` if we do not know which project."""
        if not self.context.organization or not self.context.project:
            raise SettingError("set LOOP_ORGANIZATION and LOOP_PROJECT: without them no project of the loop is known")
        organization, project = part_of_path(self.context.organization), part_of_path(self.context.project)
        return f"/{organization}/projects/{project}{rest}"


def part_of_path(name: str) -> str:
    """An id or a name as one part of a path, refused if it would be more than one."""
    if not re.fullmatch(r"[\w.~@ -]+", name) or name in (".", ".."):
        raise InvalidRequestError(f"{name!r} is no name; letters, digits and . - _ are")
    return name


def entries_of(answer: Any, key: str) -> list[Any]:
    """The list under `key` of an answer."""
    entries = answer.get(key) if isinstance(answer, dict) else None
    if not isinstance(entries, list):
        raise LoopError(f"the loop's answer has no list {key!r}; is LOOP_HOST right?")
    return entries
