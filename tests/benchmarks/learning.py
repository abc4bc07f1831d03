"""What new images are worth, and what choosing them is: second models with chosen images, by chance, and without.

Then what the second model loses and gains as bytes (int8).

    python -m tests.benchmarks.learning --seeds 1 2 3

It is no case of `make bench`, since it compares accuracy, which no other load disturbs, and takes ten minutes a seed.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from learning_loop_node.converter.backends.onnx_int8.quantize import quantize
from learning_loop_node.demo.learning.plan import LearningPlan
from learning_loop_node.demo.learning.score import score_folder
from learning_loop_node.demo.learning.wheel import Audience, Turn, Wheel, open_wheel
from learning_loop_node.onnx_models.model import OnnxModel
from learning_loop_node.runtime.archive import unpack

TIMED = 60


async def measure(seed: int) -> str:
    """A row of each table."""
    plan = LearningPlan(seed=seed)
    audience = Audience(on_step=lambda text: print(text, file=sys.stderr))
    async with open_wheel(plan, audience) as wheel:
        turn = await wheel.turn(plan)
        without = await wheel.learn_without_new(turn)
        by_chance = await wheel.learn_by_chance(turn)
        as_bytes = await asyncio.to_thread(compare_with_bytes, wheel, turn)
    values = " | ".join(f"{lesson.score.map50:.3f}" for lesson in (*turn.lessons, by_chance, without))
    counts = f"{turn.kept} of {turn.met} | {plan.first} + {turn.chosen} | {turn.seconds:.0f} s"
    return f"| {seed} | {values} | {counts} | {as_bytes} |"


def compare_with_bytes(wheel: Wheel, turn: Turn) -> str:
    """mAP50 and milliseconds per image of the second model, and of the same in bytes, in turns."""
    model = turn.lessons[1].training.model
    assert model is not None
    world = wheel.world
    images = [shot.scene.pixels for shot in world.held_out[:TIMED]]
    with TemporaryDirectory() as name:
        floats, as_bytes, work = (Path(name) / part for part in ("floats", "bytes", "work"))
        unpack(wheel.stage.folder / f"{model.id}.zip", floats)
        as_bytes.mkdir()
        work.mkdir()
        (as_bytes / "model.json").write_bytes((floats / "model.json").read_bytes())
        source = OnnxModel.open(floats, world.categories)
        feeds = (source.feeds_of([shot.scene.pixels]) for shot in world.first[:64])
        quantize(floats / "model.onnx", as_bytes / "model.onnx", feeds, work_folder=work)
        scores = [score_folder(folder, world.held_out, world.categories).map50 for folder in (floats, as_bytes)]
        times = in_turns([source, OnnxModel.open(as_bytes, world.categories)], images)
    return f"{scores[0]:.3f} → {scores[1]:.3f} | {times[0]:.1f} → {times[1]:.1f} ms"


def in_turns(models: Sequence[OnnxModel], images: Sequence[NDArray[np.uint8]]) -> list[float]:
    """The median milliseconds of each model for an image."""
    times: list[list[float]] = [[] for _ in models]
    for image in images:
        for model, row in zip(models, times, strict=True):
            begun = time.perf_counter()
            model.predict([image])
            row.append(1000 * (time.perf_counter() - begun))
    return [median(row) for row in times]


def main() -> None:
    parser = argparse.ArgumentParser(description="What new images are worth, and what choosing them is.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    print("| seed | first | second: chosen | by chance | without new ones | kept | labelled | turn | int8 | time |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for seed in parser.parse_args().seeds:
        print(asyncio.run(measure(seed)), flush=True)


if __name__ == "__main__":
    main()
