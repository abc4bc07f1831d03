"""The program that the mock trainer starts: some epochs of pretending, each with metrics and a model, or a failure.

python training.py FOLDER --epochs 3 --seconds 1 --fail crash --at 2 --times 1
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path

STATE_FILE = "epoch.json"
FAILURES_FILE = "failures.txt"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--fail", default="")
    parser.add_argument("--at", type=int, default=2, help="epoch in which it fails")
    parser.add_argument("--times", type=int, default=-1, help="so often it fails, then it works")
    arguments = parser.parse_args()

    first = read_epoch(arguments.folder) + 1
    say(f"training from epoch {first} to {arguments.epochs}")
    for epoch in range(first, arguments.epochs + 1):
        if epoch >= arguments.at and may_fail(arguments.folder, arguments.times):
            fail(arguments.fail)
        time.sleep(arguments.seconds)
        model = None if arguments.fail == "no_model" else f"model_{epoch}.weights"
        if model:
            (arguments.folder / model).write_text(f"weights after epoch {epoch}\n")
        write_state(arguments.folder, {"epoch": epoch, "model": model})
        say(f"epoch {epoch} of {arguments.epochs}: done")


def fail(how: str) -> None:
    """Go wrong in this way, if it is one."""
    match how:
        case "crash":
            raise RuntimeError("the training crashes, as it was told to")
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "out_of_memory":
            raise MemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        case "no_gpu":
            raise RuntimeError("CUDA error: invalid device ordinal")
        case "disk_full":
            raise OSError(28, "No space left on device")
        case "hang":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            say("hanging, whatever is asked")
            time.sleep(86_400)


def may_fail(folder: Path, times: int) -> bool:
    """Whether it should go wrong once more; each time is written down."""
    file = folder / FAILURES_FILE
    count = int(file.read_text()) if file.exists() else 0
    file.write_text(str(count + 1))
    return times < 0 or count < times


def read_epoch(folder: Path) -> int:
    """The last epoch that was completed, 0 if none was."""
    try:
        return int(json.loads((folder / STATE_FILE).read_text())["epoch"])
    except FileNotFoundError:
        return 0


def write_state(folder: Path, state: dict[str, object]) -> None:
    aside = folder / f"{STATE_FILE}.part"
    aside.write_text(json.dumps(state))
    aside.replace(folder / STATE_FILE)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
