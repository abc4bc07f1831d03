"""What new images are worth, and what choosing them is: second models with chosen images, by chance, and without.

    python -m tests.benchmarks.learning --seeds 1 2 3

It is no case of `make bench`, since it compares accuracy, which no other load disturbs, and takes ten minutes a seed.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from learning_loop_node.demo.learning.plan import LearningPlan
from learning_loop_node.demo.learning.wheel import Audience, open_wheel


async def measure(seed: int) -> str:
    """A row of the table."""
    plan = LearningPlan(seed=seed)
    audience = Audience(on_step=lambda text: print(text, file=sys.stderr))
    async with open_wheel(plan, audience) as wheel:
        turn = await wheel.turn(plan)
        without = await wheel.learn_without_new(turn)
        by_chance = await wheel.learn_by_chance(turn)
    values = " | ".join(f"{lesson.score.map50:.3f}" for lesson in (*turn.lessons, by_chance, without))
    return f"| {seed} | {values} | {turn.kept} of {turn.met} | {plan.first} + {turn.chosen} | {turn.seconds:.0f} s |"


def main() -> None:
    parser = argparse.ArgumentParser(description="What new images are worth, and what choosing them is.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    print("| seed | first | second: chosen | by chance | without new ones | kept | labelled | turn |")
    print("|---|---|---|---|---|---|---|---|")
    for seed in parser.parse_args().seeds:
        print(asyncio.run(measure(seed)), flush=True)


if __name__ == "__main__":
    main()
