"""Who may do what: the only table of roles and rights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from types import MappingProxyType


class Right(Enum):
    """What an address of the loop needs; the value completes the sentence "you may not …"."""

    FETCH = "fetch model files"
    SEND = "send images"
    TARGET = "ask which model detectors should run"
    REPORT = "report how a node is"
    ASK = "ask what concerns yourself, such as the list of your projects"
    READ = "see what is in a project"
    LABEL = "change annotations, tags, states and sets of images"
    MANAGE = "change categories, models, deployments and projects, or delete"
    OWN = "manage the people and tokens of an organization"
    ADMINISTER = "manage the whole loop"


class Role(StrEnum):
    """Who somebody is.

    Everywhere one is `STRANGER` (no login, where nodes need a token), `NOBODY` (no login), `GUEST`, `USER` (known; what
    they may depends on the organization) or `ADMIN`. Within an organization one is one of the others.
    """

    STRANGER = "STRANGER"
    NOBODY = "NOBODY"
    GUEST = "GUEST"
    USER = "USER"
    NODE = "NODE"
    VIEWER = "VIEWER"
    ANNOTATOR = "ANNOTATOR"
    MAINTAINER = "MAINTAINER"
    OWNER = "OWNER"
    ADMIN = "ADMIN"

    @property
    def is_known(self) -> bool:
        """Whether there was a login, other than that of a guest."""
        return self not in (Role.STRANGER, Role.NOBODY, Role.GUEST)


_NOBODY = frozenset({Right.FETCH, Right.SEND})
_GUEST = _NOBODY | {Right.TARGET, Right.REPORT}
_VIEWER = frozenset({Right.ASK, Right.FETCH, Right.TARGET, Right.READ})
_ANNOTATOR = _VIEWER | {Right.SEND, Right.LABEL}
_MAINTAINER = _ANNOTATOR | {Right.REPORT, Right.MANAGE}

RIGHTS: Mapping[Role, frozenset[Right]] = MappingProxyType(
    {
        Role.STRANGER: frozenset(),
        Role.NOBODY: _NOBODY,
        Role.GUEST: _GUEST,
        Role.USER: frozenset({Right.ASK}),
        Role.NODE: _GUEST | {Right.ASK, Right.READ},
        Role.VIEWER: _VIEWER,
        Role.ANNOTATOR: _ANNOTATOR,
        Role.MAINTAINER: _MAINTAINER,
        Role.OWNER: _MAINTAINER | {Right.OWN},
        Role.ADMIN: frozenset(Right),
    }
)

MEMBERS = (Role.VIEWER, Role.ANNOTATOR, Role.MAINTAINER, Role.OWNER)
"""What a user can be in an organization, from few rights to many."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request: what they are everywhere, and what in which organization.

    `user_id` is None for whoever is no user of the loop. With `token_id`, they came with a token; it may be for one
    `project` of its organization only, or `limit` a user to the rights of a role.
    """

    name: str
    role: Role
    roles: Mapping[str, Role] = field(default_factory=dict)
    user_id: str | None = None
    token_id: str | None = None
    project: str | None = None
    limit: Role | None = None

    @property
    def author(self) -> str | None:
        """The name that stands with what they change; None for whoever comes without a login.

        A node with a token is `robot (node)`: no user can be called so.
        """
        if self.user_id is not None or self.role is Role.ADMIN:
            return self.name
        return f"{self.name} (node)" if self.token_id is not None else None

    def may(self, right: Right, organization: str | None, project: str | None = None) -> bool:
        """Whether they have this right in a project, in an organization or, without both, everywhere."""
        if self.limit is not None and right not in RIGHTS[self.limit]:
            return False
        if right in RIGHTS[self.role]:
            return True
        here = self.roles.get(organization) if organization is not None else None
        return here is not None and right in RIGHTS[here] and self.project in (None, project)

    def may_somewhere(self, right: Right) -> bool:
        """Whether they have this right everywhere or in an organization."""
        return self.may(right, None) or any(self.may(right, name, self.project) for name in self.roles)

    def knows(self, organization: str, project: str | None) -> bool:
        """Whether they may learn that this organization, or this project of it, exists."""
        is_here = organization in self.roles and (project is None or self.project in (None, project))
        return is_here or self.role is Role.ADMIN
