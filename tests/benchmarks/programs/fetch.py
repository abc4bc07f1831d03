"""Fetches images for a training, as a program for 0.18 to 0.27 does, and prints how many per second there were.

python fetch.py COUNT FOLDER, with the loop in `LOOP_HOST`. In the event loop that uvicorn would choose for a node.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import uvloop

from learning_loop_node.data_classes import Context
from learning_loop_node.data_exchanger import DataExchanger
from learning_loop_node.loop_communication import LoopCommunicator

PROJECT = Context(organization="bench", project="bench")


async def fetch(ids: list[str], folder: Path, *, checks_pixels: bool) -> float:
    communicator = LoopCommunicator()
    exchanger = DataExchanger(PROJECT, communicator)
    exchanger.check_jpeg = checks_pixels
    await communicator.ensure_login()
    start = time.perf_counter()
    await exchanger.download_images(ids, str(folder))
    elapsed_s = time.perf_counter() - start
    await communicator.shutdown()
    if (found := len(list(folder.glob("*.jpg")))) != len(ids):  # noqa: ASYNC240  nothing else runs
        raise RuntimeError(f"{found} of {len(ids)} images arrived")
    return len(ids) / elapsed_s


def main(ids: str, folder: str, checks_pixels: str) -> None:
    names = Path(ids).read_text().split()
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    print(uvloop.run(fetch(names, target, checks_pixels=checks_pixels == "check")))


if __name__ == "__main__":
    main(*sys.argv[1:])
