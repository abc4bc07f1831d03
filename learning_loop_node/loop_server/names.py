"""How projects, formats and versions may be called. They become parts of addresses and names of folders on nodes."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..errors import InvalidRequestError, NotFoundError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_USER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_FORMAT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_VERSION = re.compile(r"(0|[1-9][0-9]{0,8})(\.(0|[1-9][0-9]{0,8})){0,3}")

RESERVED = ("generator", "deleted")
"""Project ids that are parts of addresses."""

RULE = "rule"
"""Who has deployed a model where no person did; no user can be called so."""


def check_name(field: str, value: str) -> str:
    """An organization or a project."""
    if not _NAME.fullmatch(value):
        raise InvalidRequestError(
            f"{field} {value!r} must be 1 to 64 letters, digits, dots, dashes or underscores, a letter or digit first"
        )
    if value in RESERVED:
        raise InvalidRequestError(f"{field} {value!r} is a reserved word; choose another name")
    return value


def no_such_organization(organization: str) -> NotFoundError:
    """For one that is not there, and for one of which the caller may not know."""
    return NotFoundError(f"there is no organization {organization}; an administrator makes one with its first project")


def no_such_project(organization: str, project: str) -> NotFoundError:
    """For one that is not there, and for one of which the caller may not know."""
    return NotFoundError(f"there is no project {organization}/{project}; learning-loop projects create makes one")


def no_such_image(organization: str, project: str, image_id: str) -> NotFoundError:
    return NotFoundError(f"there is no image {image_id} in {organization}/{project}")


def check_user_name(name: str) -> str:
    """A name with which somebody logs in."""
    if not _USER.fullmatch(name):
        raise InvalidRequestError(f"name {name!r} must be 1 to 64 letters, digits or . _ - @, a letter or digit first")
    if name == RULE:
        raise InvalidRequestError(f"name {name!r} is a reserved word; choose another name")
    return name


def check_format(value: str) -> str:
    """A model format, such as `yolov5_pytorch`."""
    if not _FORMAT.fullmatch(value):
        raise InvalidRequestError(f"format {value!r} must be 1 to 64 letters, digits, dashes or underscores")
    return value


def check_version(value: str) -> str:
    if not _VERSION.fullmatch(value):
        raise InvalidRequestError(f"version {value!r} must be digits and dots without leading zeros, such as 1.3")
    return value


def next_version(versions: list[str]) -> str:
    """The version after the highest of these: 1.0, 1.1, … 1.9, 1.10.

    >>> next_version([]), next_version(["1.9", "1.2"]), next_version(["3"]), next_version(["1.2.5"])
    ('1.0', '1.10', '3.1', '1.3')
    """
    if not versions:
        return "1.0"
    major, minor, *_ = *max(order_of_version(version) for version in versions), 0
    return f"{major}.{minor + 1}"


def next_major_version(versions: Sequence[str]) -> str:
    """The version of a model that comes from nothing before it.

    >>> next_major_version([]), next_major_version(["1.9", "1.10"]), next_major_version(["3"])
    ('1.0', '2.0', '4.0')
    """
    return f"{max((order_of_version(version)[0] for version in versions), default=0) + 1}.0"


def next_minor_version(versions: Sequence[str], base: str) -> str:
    """The version of a model that goes on from the one with the version `base`.

    >>> next_minor_version(["1.0", "2.0"], "1.0"), next_minor_version(["1.0", "1.9", "2.0"], "1.0")
    ('1.1', '1.10')
    >>> next_minor_version(["3"], "3")
    '3.1'
    """
    major = order_of_version(base)[0]
    minors = [(*order_of_version(version), 0)[1] for version in versions if order_of_version(version)[0] == major]
    return f"{major}.{max(minors, default=0) + 1}"


def order_of_version(version: str) -> tuple[int, ...]:
    """Sorts versions by their numbers: 1.10 comes after 1.9."""
    return tuple(int(part) for part in version.split("."))
