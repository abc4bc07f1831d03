"""Times the drawing of labelled scenes on one core; its arguments are how many, and difficulties. Prints JSON.

The things and places that scenes are made of are drawn before; that takes some seconds, once in a process.
"""

from __future__ import annotations

import json
import os
import sys
import time

from learning_loop_node.generator.scenes.labelled import SceneRecipe, labelled_scenes
from learning_loop_node.generator.scenes.looks import LOOKS, RESEMBLING
from learning_loop_node.generator.scenes.opencv import cv2
from learning_loop_node.generator.scenes.sprites import sprites_of


def rate(difficulty: float, count: int) -> float:
    """Scenes per second."""
    recipe = SceneRecipe(difficulty=difficulty)
    start = time.perf_counter()
    for _ in labelled_scenes(recipe, count):
        pass
    return count / (time.perf_counter() - start)


if __name__ == "__main__":
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    cv2.setNumThreads(1)
    for name in (*LOOKS, *RESEMBLING):
        sprites_of(name)
    rate(0.5, 10)
    json.dump({text: rate(float(text), int(sys.argv[1])) for text in sys.argv[2:]}, sys.stdout)
