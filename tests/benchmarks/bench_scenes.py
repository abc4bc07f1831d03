"""How fast labelled scenes are drawn, by a process that may use one core."""

from __future__ import annotations

import asyncio
import json
import sys

from .figures import Figure, Goal, Who
from .servers import PROGRAMS, clean_environment
from .turns import Bench

DIFFICULTIES = (0.0, 0.5, 1.0)
COUNT, QUICK_COUNT = 600, 40


async def measure(bench: Bench) -> list[Figure]:
    count = QUICK_COUNT if bench.is_quick else COUNT
    found: dict[str, list[float]] = {}
    for _ in range(bench.turns(3)):
        for difficulty, rate in (await _run(bench, count)).items():
            found.setdefault(difficulty, []).append(rate)
    return [
        Figure(
            what=f"labelled scenes of 320×240, difficulty {difficulty}, one core",
            unit="/s",
            values={Who.OURS: rates},
            goal=Goal(value=300),
        )
        for difficulty, rates in found.items()
    ]


async def _run(bench: Bench, count: int) -> dict[str, float]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,  # which has the extra that this needs
        PROGRAMS / "scenes.py",
        str(count),
        *map(str, DIFFICULTIES),
        env=clean_environment(),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"scenes: status {process.returncode}")
    rates: dict[str, float] = json.loads(output)
    return rates
