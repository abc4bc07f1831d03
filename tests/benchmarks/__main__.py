"""Measures node and loop beside 0.27.0 and a bare server: `make bench`, or `python -m tests.benchmarks --case rest`.

How to read it: `cases.py` lists the cases, each `bench_*.py` is one; `servers.py` starts what is compared, `turns.py`
measures in turns, `rest_load.py` and `event_load.py` make the load, `report.py` writes the table.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from . import report
from .cases import CASES
from .figures import Figure
from .servers import Servers
from .turns import Bench


def main() -> None:
    options = _parser().parse_args()
    figures = uvloop.run(measure(options.case or list(CASES), is_quick=options.quick))
    report.write(options.output, figures)
    if options.readme:
        options.readme.write_text(report.into(options.readme.read_text(), report.table_of(figures)))
    print(f"\nwritten: {options.output}/figures.md, {options.output}/figures.json")


async def measure(names: list[str], *, is_quick: bool) -> dict[str, list[Figure]]:
    """The figures of these cases, by case; prints each row when it is known."""
    figures: dict[str, list[Figure]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        bench = Bench(Servers(Path(folder)), is_quick)
        if bench.servers.peer is None:
            print("without ratios: 0.27 is not installed, `make peers` does it", file=sys.stderr)
        print(report.HEADER)
        for name in names:
            start = time.perf_counter()
            figures[name] = await CASES[name](bench)
            for figure in figures[name]:
                print(report.row(figure), flush=True)
            print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr)
    return figures


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--case", action="append", choices=CASES, help="only this case; may be given several times")
    parser.add_argument("--quick", action="store_true", help="one short turn each, to see that it works")
    parser.add_argument(
        "--output", type=Path, default=Path("bench_output"), help="folder for the table and raw figures"
    )
    parser.add_argument("--readme", type=Path, metavar="FILE", help="put the table into this file, between its marks")
    return parser


if __name__ == "__main__":
    main()
