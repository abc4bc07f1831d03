"""Where data belongs: an organization and one of its projects."""

from dataclasses import dataclass


@dataclass(kw_only=True, slots=True)
class Context:
    """A project of an organization, both by id."""

    organization: str
    project: str
