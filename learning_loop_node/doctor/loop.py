"""Whether the loop answers, lets us in, and has what a detector needs."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from yarl import URL

from ..client.failures import status_of_refusal
from ..client.http import Login, LoopHttp
from ..client.loop import LoopClient
from ..client.place import part_of_path
from ..errors import (
    LoginRefusedError,
    LoopError,
    LoopUnreachableError,
    NodeError,
    NoTargetError,
    TransferBrokenError,
)
from .finding import Level, Verdict, error, ok, warning
from .tls import speaks_tls

ASK_S = 10.0
TOLERATED_S = 5.0
HOPELESS_S = 300.0
LIKE = 0.85
"""So much alike are two projects, with their organizations, of which one is probably meant by the other."""


class LoopChecks:
    """Questions to one loop, in this order. `now` is the clock of this machine."""

    def __init__(self, http: LoopHttp, model_format: str | None = None) -> None:
        self._http = http
        self._loop = LoopClient(http)
        self._format = model_format
        self._target: tuple[str, str] | None = None
        self._clock: Verdict | None = None

    async def status(self) -> Verdict:
        """Whether it answers `GET /api/status`, and what time it has."""
        asked = datetime.now(UTC)
        try:
            async with self._http.request("GET", "/status", login=Login.NONE, timeout_s=ASK_S) as answer:
                body = (await answer.text())[:200]
                answered = datetime.now(UTC)
                self._clock = clock_verdict(answer.headers.get("Date", ""), asked, answered)
        except (LoopUnreachableError, TransferBrokenError) as failure:
            return await self._no_answer(failure)
        except NodeError as failure:  # a node of ours names its errors, too
            return error(str(failure), "something answers, but no loop; correct host and port in LOOP_HOST")
        is_page = body.lstrip()[:1] == "<"
        if is_page:
            return error("answers with a web page", "something answers, but no loop; correct LOOP_HOST")
        return ok(f"answers {body.strip()}")

    async def clock(self) -> Verdict:
        """How far apart the clocks are, as noted by `status`."""
        return self._clock or warning("the loop does not tell its time", "compare the clocks by hand")

    async def login(self) -> Verdict:
        settings = self._http.settings
        if settings.token.get_secret_value():
            return await self._token()
        try:
            await self._http.ensure_login()
        except LoopUnreachableError:
            raise
        except NodeError as failure:
            if status_of_refusal(failure) == 429:
                return error(str(failure), "wait a minute")
            if settings.username or isinstance(failure, LoginRefusedError):
                return error(str(failure), "")  # its text says what to do
            return error(f"refused: {failure}", "set LOOP_TOKEN, or LOOP_USERNAME and LOOP_PASSWORD")
        if not settings.username:
            return ok("let in as a guest, which is enough for a detector")
        return ok(f"let in as {settings.username}")

    async def project(self) -> Verdict:
        """Whether the project exists; notes which model should run."""
        context = self._loop.context
        if not context.organization or not context.project:
            missing = " and ".join(
                name
                for name, value in (("LOOP_ORGANIZATION", context.organization), ("LOOP_PROJECT", context.project))
                if not value
            )
            return error("is not set", f"set {missing}: a detector works for one project")
        place = f"/{part_of_path(context.organization)}/projects/{part_of_path(context.project)}"
        try:
            answer = await self._http.json("GET", f"{place}/deployment/target", timeout_s=ASK_S)
        except NoTargetError:
            return ok("exists")
        except LoopUnreachableError:
            raise
        except NodeError as failure:
            return await self._no_project(failure)
        if isinstance(answer, dict) and answer.get("model_uuid"):
            self._target = str(answer["model_uuid"]), str(answer.get("version", ""))
        return ok("exists")

    async def target(self) -> Verdict:
        """Which model should run, and whether it is there in our format."""
        if self._target is None:
            return warning(
                "no model is deployed yet", "push one and deploy it: learning-loop models push … --format … --deploy"
            )
        model_id, version = self._target
        if self._format is None:
            return ok(f"model {version}; give --format FORMAT to see whether it is there in that of your detector")
        context = self._loop.context
        path = f"/{context.organization}/projects/{context.project}/models/{model_id}/{part_of_path(self._format)}/file"
        try:
            async with self._http.request("GET", path, login=Login.IF_GIVEN, timeout_s=ASK_S) as answer:
                size = answer.headers.get("Content-Length", "")
        except LoopUnreachableError:
            raise
        except NodeError as failure:
            listing = f"learning-loop models list --format {self._format}"
            return error(
                f"model {version} is not there as {self._format!r}: {failure}",
                f"push it in this format, too (learning-loop models push FILES --to {version} --format {self._format}),"
                f" or deploy one that has it ({listing})",
            )
        return ok(f"model {version} is there as {self._format!r}" + (f", {size} bytes" if size else ""))

    async def _no_answer(self, failure: LoopError) -> Verdict:
        url = URL(self._http.origin)
        if url.scheme == "http" and await speaks_tls(url.host or "", url.port or 80):
            return error("speaks TLS, but is asked without", "begin LOOP_HOST with https://")
        return error(str(failure), "look at the loop's log; something there accepts connections and does not answer")

    async def _token(self) -> Verdict:
        try:
            answer = await self._http.json("GET", "/me", timeout_s=ASK_S)
        except LoopUnreachableError:
            raise
        except NodeError as failure:
            if status_of_refusal(failure) == 404:
                return Verdict(Level.WARNING, "this loop cannot say whose token it is", "")
            return error(f"the token is refused: {failure}", "make a new one (learning-loop tokens) and set LOOP_TOKEN")
        name = answer.get("name") if isinstance(answer, dict) else None
        return ok(f"the token is that of {name}" if name else "the token is accepted")

    async def _no_project(self, failure: NodeError) -> Verdict:
        status = status_of_refusal(failure)
        if status == 404:
            similar = await self._similar()
            remedy = f"did you mean {' or '.join(similar)}? " if similar else ""
            return error(str(failure), f"{remedy}Correct LOOP_ORGANIZATION and LOOP_PROJECT, or make the project")
        if status in (401, 403):
            return error(
                str(failure),
                "use a login or token that may see this project (LOOP_TOKEN, LOOP_USERNAME, LOOP_PASSWORD)",
            )
        return error(str(failure), "look at the loop's log")

    async def _similar(self) -> Sequence[str]:
        """Projects with nearly this name, if we may see which there are."""
        try:
            names = [f"{entry.organization_id}/{entry.project_id}" for entry in await self._loop.projects.list()]
        except NodeError:
            return []
        context = self._loop.context
        return difflib.get_close_matches(f"{context.organization}/{context.project}", names, n=2, cutoff=LIKE)


def clock_verdict(date: str, asked: datetime, answered: datetime) -> Verdict | None:
    """What the header `Date` of an answer says about the clock of this machine; it tells whole seconds."""
    try:
        theirs = parsedate_to_datetime(date)
    except ValueError:
        return None
    theirs = theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC)
    ours = asked + (answered - asked) / 2
    apart_s = (ours - theirs).total_seconds() - 0.5
    remedy = "synchronise both machines (timedatectl set-ntp true): images carry the time of this one"
    if abs(apart_s) > HOPELESS_S:
        return error(f"this machine is {_span(apart_s)} the loop", remedy)
    if abs(apart_s) > TOLERATED_S:
        return warning(f"this machine is {_span(apart_s)} the loop", remedy)
    return ok("the same, within the second or so that can be told")


def _span(apart_s: float) -> str:
    return f"{abs(apart_s):.0f} s {'ahead of' if apart_s > 0 else 'behind'}"
