"""Runs the checks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

from ..errors import NodeError
from .finding import Chain, Check, Finding, Level, Verdict, error


async def examine(chains: Iterable[Chain]) -> AsyncIterator[Finding]:
    """The findings one by one. After an error of a check that blocks, the rest of its chain is skipped."""
    for chain in chains:
        failed = ""
        for check in chain:
            if failed:
                verdict = Verdict(Level.SKIPPED, f"not looked at, since {failed} failed")
            else:
                verdict = await _verdict_of(check)
            if verdict.level is Level.ERROR and check.blocks:
                failed = check.subject
            yield Finding(
                subject=check.subject,
                level=verdict.level,
                looked_at=check.looked_at,
                found=verdict.found,
                remedy=verdict.remedy,
            )


async def _verdict_of(check: Check) -> Verdict:
    try:
        return await check.run()
    except NodeError as failure:  # its text says what to do, as those of all our errors
        return error(str(failure), "")
    except OSError as failure:
        return error(failure.strerror or str(failure), "look at the machine's log (dmesg, journalctl)")
