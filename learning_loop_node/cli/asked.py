"""What nearly every command is asked: which loop and project it is about, and whether to answer in JSON."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from ..errors import NodeError
from .loop_options import Host, Organization, Password, Project, Username, loop_client, loop_settings
from .loop_words import in_words_of_commands
from .output import AsJson

if TYPE_CHECKING:
    from ..client.loop import LoopClient
    from ..settings import LoopSettings

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The loop and project of a command, and how to answer.

    `given` are the options that said which loop and project, as they were typed; `options` those of the command by the
    names that their values have at the loop.
    """

    settings: LoopSettings
    as_json: bool = False
    given: Sequence[str] = ()
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def place(self) -> str:
        return f"{self.settings.organization}/{self.settings.project}"

    def run(self, work: Callable[[LoopClient], Awaitable[T]]) -> T:
        """Do something with the loop; what it refuses is said in words of the command line."""

        async def run() -> T:
            async with self.loop() as loop:
                return await work(loop)

        return asyncio.run(run())

    @asynccontextmanager
    async def loop(self) -> AsyncIterator[LoopClient]:
        """The loop, as long as the block is open."""
        async with loop_client(self.settings) as loop:
            try:
                yield loop
            except NodeError as error:
                error.args = (self.words_of(str(error)),)
                raise

    def words_of(self, text: str) -> str:
        """A text of the loop, in words of the command line."""
        return in_words_of_commands(text, self.options, self.command)

    def command(self, *words: object) -> str:
        """Another command about the same loop and project, to be shown: it works where it is pasted.

        What the environment says is not repeated, and a password is never shown.
        """
        return shlex.join(["learning-loop", *map(str, words), *self.given])


def about_a_project(
    **options: str,
) -> Callable[[Callable[Concatenate[Asked, P], None]], Callable[..., None]]:
    """Give a command the options that say which loop and project, and `--json`; it gets them as `Asked`.

    `options` are those of the command by the names that their values have at the loop, such as
    `category_ids="--category"`.
    """

    def decorate(command: Callable[Concatenate[Asked, P], None]) -> Callable[..., None]:
        def run(
            host: Host = None,
            username: Username = None,
            password: Password = None,
            organization: Organization = None,
            project: Project = None,
            as_json: AsJson = False,
            **own: Any,
        ) -> None:
            settings = loop_settings(host, username, password, organization, project)
            given = _given(host, username, password, organization, project)
            asked = Asked(settings=settings, as_json=as_json, given=given, options=options)
            command(asked, **own)  # type: ignore[call-arg]

        shared = list(signature(run, eval_str=True).parameters.values())[:-1]
        own = list(signature(command, eval_str=True).parameters.values())[1:]
        return _with_parameters(wraps(command)(run), [*own, *shared])

    return decorate


def _with_parameters(run: Callable[..., None], parameters: Sequence[Parameter]) -> Callable[..., None]:
    """The same function, for whoever asks what it takes."""
    run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _given(
    host: str | None, username: str | None, password: str | None, organization: str | None, project: str | None
) -> list[str]:
    values = {
        "--host": host,
        "--username": username,
        "--password": "..." if password is not None else None,
        "--organization": organization,
        "--project": project,
    }
    return [word for name, value in values.items() if value is not None for word in (name, value)]
