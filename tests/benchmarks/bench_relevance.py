"""How fast the relevance filter decides, alone and beside 0.27: `python -m tests.benchmarks.bench_relevance`.

0.27 is run if `.peers/v27` is there, which takes most of a minute; ours runs five times before and five times after it.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

from tests.benchmarks import relevance_workload
from tests.peers import find_peer

REPEATS = 5


def main() -> None:
    peer = find_peer("v27")
    if peer is None:
        print("without ratios: there is no .peers/v27/bin/python below the checkout")
    for categories, name in (("a", "one category"), ("abc", "three categories")):
        ours = [_run(Path(sys.executable), categories) for _ in range(REPEATS)]
        theirs = _run(peer, categories) if peer else None
        if theirs:
            ours += [_run(Path(sys.executable), categories) for _ in range(REPEATS)]
        _report(name, {key: statistics.median(result[key] for result in ours) for key in ours[0]}, theirs)


def _report(name: str, ours: dict[str, float], theirs: dict[str, float] | None) -> None:
    at_5000_ms, per_s = ours["at_5000_ms"], ours["last_fifth_per_s"]
    print(f"relevance filter, 50 boxes of {name}, history of 5000: {at_5000_ms:.3f} ms")
    print(f"  growing history, last fifth of 150 images: {per_s:.0f}/s")
    if theirs:
        print(f"  0.27.0: {theirs['at_5000_ms']:.0f} ms, {theirs['last_fifth_per_s']:.1f}/s")
        print(f"  ratios: {theirs['at_5000_ms'] / at_5000_ms:.0f}, {per_s / theirs['last_fifth_per_s']:.0f}")


def _run(interpreter: Path, categories: str) -> dict[str, float]:
    command = [str(interpreter), relevance_workload.__file__, categories]
    answer = subprocess.run(command, capture_output=True, check=True, text=True)
    # The predecessor logs to standard output when it is imported.
    return json.loads(answer.stdout.splitlines()[-1])  # type: ignore[no-any-return]


if __name__ == "__main__":
    main()
