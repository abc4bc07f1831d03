"""How long the loop takes for a page of images in a project of a million, for every filter and order that it offers."""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from pathlib import Path

import aiohttp

from . import million
from .figures import Figure, Goal, Who
from .real_loop import real_loop
from .turns import Bench

COUNT = 1_000_000
FEW = 20_000
PAGES = 24
LIMIT = 100
P = f"/api/{million.ORGANIZATION}/projects/{million.PROJECT}"

FILTERS = {
    "no filter": "",
    "state": "state=inbox",
    "two states": "state=review&state=annotate",
    "a rare state": "state=trash",
    "state and set": "state=complete&set=test",
    "tag": "tag=uncertain",
    "two tags": "tag=uncertain&tag=even",
    "two tags that half of all images have, but none both": "tag=even&tag=odd",
    "a tag of the oldest only": "tag=old",
    "a tag of the oldest, in a state of the newest": "tag=old&state=inbox",
    "a rare tag": "tag=rare",
    "source": "source=cam 7",
    "model": "model=1.3",
    "category": "category=category 4",
    "without annotations": "annotated=false",
    "everything at once": "state=inbox&set=train&tag=uncertain&source=cam 7&model=1.4&category=category 7"
    "&annotated=false",
    "name": "name=image_77",
    "id": "id=77",
    "received in an hour": "received_since=2023-11-15T00:00:00Z&received_until=2023-11-15T01:00:00Z",
    "created in a day": "created_since=2023-12-01T00:00:00Z&created_until=2023-12-02T00:00:00Z",
    "created in a month, with a tag": "created_since=2023-12-01&created_until=2024-01-01&tag=even",
    "changed since": "changed_since=2023-12-01T00:00:00Z",
    "confidence": "confidence_min=0.5&confidence_max=0.6",
    "a confidence that hardly any has": "confidence_min=0.9995",
    "confidence of a model": "confidence_min=0.5&confidence_max=0.6&model=1.2",
    "deleted also": "deleted=also",
    "deleted only": "deleted=only",
}
SORTS = ("arrival", "-arrival", "changed", "-changed", "created", "-created")


async def measure(bench: Bench) -> list[Figure]:
    folder = bench.servers.folder_for("large_loop")
    count = FEW if bench.is_quick else COUNT
    started = time.perf_counter()
    await asyncio.to_thread(million.fill, folder, count)
    print(f"{count} images made in {time.perf_counter() - started:.0f} s", file=sys.stderr)
    slowest = await measure_all(folder)
    goal = Goal(value=300, is_limit=True)
    return [
        Figure(
            what=f"loop: {LIMIT} of {count} images listed, p95, the slowest of {len(FILTERS) * len(SORTS)} questions",
            unit="ms",
            values={Who.OURS: [slowest]},
            goal=goal,
        )
    ]


async def measure_all(folder: Path) -> float:
    """The p95 of the slowest question in ms; each is printed."""
    p95s = []
    async with real_loop(folder) as session:
        await _read(session, "/images/counts", [])
        for (name, query), sort in itertools.product(FILTERS.items(), SORTS):
            latencies_ms, empty = await _pages(session, query, sort)
            p95s.append(_quantile(latencies_ms, 0.95))
            print(
                f"{p95s[-1]:7.1f} ms p95 {_quantile(latencies_ms, 0.5):7.1f} ms p50 {len(latencies_ms):3} pages, "
                f"{empty} empty: {name}, {sort}",
                file=sys.stderr,
            )
        latencies_ms = [await _read(session, "/images/counts", []) for _ in range(PAGES)]
        print(f"{_quantile(latencies_ms, 0.95):7.1f} ms p95 counts", file=sys.stderr)
    return max(p95s)


async def _pages(session: aiohttp.ClientSession, query: str, sort: str) -> tuple[list[float], int]:
    """How long each of the first pages took, as far as there are, and how many of them had no image."""
    latencies_ms: list[float] = []
    empty = 0
    cursor: str | None = None
    for _ in range(PAGES):
        parameters = f"?sort={sort}&limit={LIMIT}&{query}" + (f"&cursor={cursor}" if cursor else "")
        answers: list[dict[str, object]] = []
        latencies_ms.append(await _read(session, f"/images{parameters}", answers))
        empty += not answers[0]["images"]
        cursor = str(answers[0]["next"]) if answers[0]["next"] else None
        if cursor is None:
            break
    return latencies_ms, empty


async def _read(session: aiohttp.ClientSession, path: str, answers: list[dict[str, object]]) -> float:
    start = time.perf_counter()
    async with session.get(P + path) as answer:
        body = await answer.read()
        elapsed_ms = 1000 * (time.perf_counter() - start)
        assert answer.status == 200, body
        answers.append(await answer.json())
    return elapsed_ms


def _quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


if __name__ == "__main__":
    print(asyncio.run(measure_all(Path(sys.argv[1]))))
