"""Who may do what: the only table of roles and rights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from types import MappingProxyType


class Right(Enum):
    """What an address of the loop needs; the value completes the sentence "you may not …"."""

    SEND = "send images and fetch model files"
    REPORT = "report how a node is and ask which model it should run"
    READ = "see what is in a project"
    LABEL = "change annotations, tags, states and sets of images"
    MANAGE = "change categories, models, deployments and projects, or delete"
    OWN = "manage the people and tokens of an organization"
    ADMINISTER = "manage the whole loop"


class Role(StrEnum):
    """Who somebody is. `NOBODY` and `GUEST` are so everywhere, `ADMIN` too; the others within an organization."""

    NOBODY = "NOBODY"
    GUEST = "GUEST"
    NODE = "NODE"
    VIEWER = "VIEWER"
    ANNOTATOR = "ANNOTATOR"
    MAINTAINER = "MAINTAINER"
    OWNER = "OWNER"
    ADMIN = "ADMIN"


_NODE = frozenset({Right.SEND, Right.REPORT})
_ANNOTATOR = _NODE | {Right.READ, Right.LABEL}
_MAINTAINER = _ANNOTATOR | {Right.MANAGE}

RIGHTS: Mapping[Role, frozenset[Right]] = MappingProxyType(
    {
        Role.NOBODY: frozenset({Right.SEND}),
        Role.GUEST: _NODE,
        Role.NODE: _NODE | {Right.READ},
        Role.VIEWER: _NODE | {Right.READ},
        Role.ANNOTATOR: _ANNOTATOR,
        Role.MAINTAINER: _MAINTAINER,
        Role.OWNER: _MAINTAINER | {Right.OWN},
        Role.ADMIN: frozenset(Right),
    }
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request: what they are everywhere, and what in which organization."""

    name: str
    role: Role
    roles: Mapping[str, Role] = field(default_factory=dict)

    def may(self, right: Right, organization: str | None) -> bool:
        """Whether they have this right in an organization or, without one, everywhere."""
        here = self.roles.get(organization) if organization is not None else None
        return right in RIGHTS[self.role] or (here is not None and right in RIGHTS[here])
