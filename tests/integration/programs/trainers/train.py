"""Counts epochs in the place of a training, in a process of its own: `train.py FOLDER EPOCHS SECONDS_PER_EPOCH`.

It notes each epoch, goes on after the last one that is noted, and keeps its weights when it is told to end.
"""

import signal
import sys
import time
from pathlib import Path
from types import FrameType


def end(_number: int, _frame: FrameType | None) -> None:
    sys.stdout.write("told to end\n")
    sys.exit(0)


signal.signal(signal.SIGTERM, end)
folder, epochs, pause_s = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
notes = folder / "epochs.txt"
done = len(notes.read_text().splitlines()) if notes.exists() else 0
for epoch in range(done + 1, epochs + 1):
    (folder / "weights.bin").write_bytes(f"weights of epoch {epoch}".encode())
    with notes.open("a") as stream:
        stream.write(f"{epoch}\n")
    sys.stdout.write(f"epoch {epoch}\n")
    sys.stdout.flush()
    time.sleep(pause_s)
