"""Checks run in their order; what an error makes pointless is skipped."""

from __future__ import annotations

from learning_loop_node.doctor.examination import examine
from learning_loop_node.doctor.finding import Check, Level, Verdict, error, ok
from learning_loop_node.doctor.variables import check_settings, check_spelling
from learning_loop_node.errors import SettingError


def check(subject: str, verdict: Verdict | Exception, *, blocks: bool = True) -> Check:
    async def run() -> Verdict:
        if isinstance(verdict, Exception):
            raise verdict
        return verdict

    return Check(subject=subject, looked_at="it", run=run, blocks=blocks)


async def levels_of(*chains: list[Check]) -> list[str]:
    return [f"{finding.subject} {finding.level}" async for finding in examine(chains)]


async def test_no_checks():
    assert await levels_of() == await levels_of([]) == []


async def test_an_error_ends_its_chain_only():
    bad, good = error("broken", "mend it"), ok("fine")
    first = [check("a", good), check("b", bad), check("c", good), check("d", bad)]
    second = [check("e", bad, blocks=False), check("f", good)]
    expected = ["a ok", "b error", "c skipped", "d skipped", "e error", "f ok"]
    assert await levels_of(first, second) == expected


async def test_what_a_check_raises_is_its_finding():
    chain = [check("a", SettingError("LOOP_HOST=x: no")), check("b", ok("fine"))]
    findings = [finding async for finding in examine([chain])]
    assert (findings[0].level, findings[0].found) == (Level.ERROR, "LOOP_HOST=x: no")
    assert findings[1].found == "not looked at, since a failed"
    disk = [finding async for finding in examine([[check("disk", OSError(5, "Input/output error"))]])]
    assert disk[0].found == "Input/output error"


async def test_settings():
    assert (await check_settings("", {})).level is Level.OK
    assert (await check_settings("SYNC_CYCLES=x", {})).level is Level.ERROR
    verdict = await check_settings("", {"USERNAME": "LOOP_USERNAME"})
    assert verdict.found == "USERNAME is taken as LOOP_USERNAME"


async def test_spelling():
    assert (await check_spelling({})).level is Level.OK
    verdict = await check_spelling({"LOOP_HOTS": "LOOP_HOST"})
    assert verdict.found == "LOOP_HOTS is no setting, LOOP_HOST is"
