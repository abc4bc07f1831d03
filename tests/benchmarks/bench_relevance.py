"""How fast the relevance filter decides, when it remembers much."""

from __future__ import annotations

import asyncio
import json

from .figures import Figure, Goal, Who
from .servers import PROGRAMS, clean_environment
from .turns import Bench

QUICK_NAMES, NAMES = {"a": "one category"}, {"a": "one category", "abc": "three categories"}
WORST = "a"  # 0.27 is slowest if all boxes are of one category, ours hardly minds


async def measure(bench: Bench) -> list[Figure]:
    figures = []
    for categories, name in (QUICK_NAMES if bench.is_quick else NAMES).items():
        # 0.27 takes half a minute, so that it has one turn, in the middle of those of ours.
        order = [Who.OURS] * bench.turns(5)
        order = [*order, *bench.servers.nodes[1:], *order]
        found = [(who, await _run(bench, who, categories)) for who in order]
        values = {
            key: {who: [1000 * result[key] for whose, result in found if whose is who] for who in bench.servers.nodes}
            for key in ("at_5000_s", "last_fifth_s")
        }
        per_s = {who: [1000 / ms for ms in found_ms] for who, found_ms in values["last_fifth_s"].items()}
        figures += [
            Figure(
                what=f"relevance filter, 50 boxes of {name}, history of 5000",
                unit="ms",
                values=values["at_5000_s"],
                goal=Goal(ratio=1 / 600, is_limit=True) if categories == WORST else Goal(),
            ),
            Figure(
                what=f"relevance filter, {name}, growing history, last fifth of 150 images",
                unit="/s",
                values=per_s,
                goal=Goal(ratio=150) if categories == WORST else Goal(),
            ),
        ]
    return figures


async def _run(bench: Bench, who: Who, categories: str) -> dict[str, float]:
    process = await asyncio.create_subprocess_exec(
        *(bench.servers.interpreter(who), PROGRAMS / "relevance.py", categories),
        env=clean_environment(),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{who}: status {process.returncode}")
    result: dict[str, float] = json.loads(output.splitlines()[-1])  # 0.27 logs there, too, when it is imported
    return result
