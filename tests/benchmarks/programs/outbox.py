"""Saves photographs into an outbox and times how it drains; runs under ours and under 0.27.

python outbox.py PHOTOGRAPH COUNT, with the loop and the data folder in the environment; prints JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path

import uvloop

from learning_loop_node.data_classes import BoxDetection, ImageMetadata
from learning_loop_node.detector.outbox import Outbox

POLL_S = 0.002


async def main(jpeg: bytes, count: int) -> dict[str, float]:
    outbox = Outbox()
    waiting = os.path.join(os.environ["DATA_FOLDER"], "outbox", "normal")  # noqa: PTH118
    box = BoxDetection(category_name="cup", x=1, y=2, width=3, height=4, model_name="1.0", confidence=0.4)
    start = time.perf_counter()
    for _ in range(count):
        await outbox.save(jpeg, ImageMetadata(box_detections=[box]))
    saved = time.perf_counter()
    os.sync()
    begun = time.perf_counter()
    outbox.ensure_continuous_upload()
    while os.listdir(waiting):  # noqa: PTH208  # what 0.27 and ours have in common, and quick
        await asyncio.sleep(POLL_S)
    ended = time.perf_counter()
    await outbox.ensure_continuous_upload_stopped()
    return {"saved_per_s": count / (saved - start), "drained_per_s": count / (ended - begun)}


if __name__ == "__main__":
    result = uvloop.run(main(Path(sys.argv[1]).read_bytes(), int(sys.argv[2])))
    sys.stdout.write(f"\n{json.dumps(result)}\n")
