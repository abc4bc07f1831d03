"""Users, and what they are in which organization."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from .ground import Asked, ShortText, Wire

SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 1024

Password = Annotated[str, Field(min_length=SHORTEST_PASSWORD, max_length=LONGEST_PASSWORD)]


class MemberRole(StrEnum):
    """What a user is in an organization: sees, labels, manages projects, or manages people and tokens, too."""

    VIEWER = "viewer"
    ANNOTATOR = "annotator"
    MAINTAINER = "maintainer"
    OWNER = "owner"


class LoopRole(StrEnum):
    """What a user is at the whole loop."""

    USER = "user"
    ADMIN = "admin"


class NewUser(Asked):
    """A user to make. Who is no administrator names at least one organization of their own."""

    name: ShortText = Field(
        description="1 to 64 letters, digits or . _ - @; those that owners make end with @organization."
    )
    password: Password
    role: LoopRole = LoopRole.USER
    organizations: dict[ShortText, MemberRole] = Field(default={}, max_length=1000)


class UserChange(Asked):
    """What is missing stays. In `organizations`, null ends a membership; those not named stay."""

    password: Password | None = None
    role: LoopRole | None = None
    disabled: bool | None = Field(default=None, description="Who is disabled can neither log in nor use a token.")
    organizations: dict[ShortText, MemberRole | None] = Field(default={}, max_length=1000)


class UserRecord(Wire):
    """A user. `organizations` are those about which the caller may know."""

    name: str
    role: LoopRole
    disabled: bool
    created: str
    organizations: dict[str, MemberRole]


class Users(Wire):
    """`next` is to be given as `after` for those that follow; null at the end."""

    users: list[UserRecord]
    next: str | None


class Me(Wire):
    """Who makes the request. `project` is the only one of a node token that is for one."""

    name: str
    role: Literal["user", "admin", "node"]
    organizations: dict[str, Literal["viewer", "annotator", "maintainer", "owner", "node"]]
    project: str | None
    limit: MemberRole | None = Field(description="The most that the token of this request may, null for no limit.")


class NewPassword(Asked):
    old_password: Annotated[str, Field(max_length=LONGEST_PASSWORD)]
    new_password: Password
