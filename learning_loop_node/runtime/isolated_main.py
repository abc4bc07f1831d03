"""What runs in the process that `isolated.py` starts."""

from __future__ import annotations

import faulthandler
import json
import os
import pickle
import resource
import runpy
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import ChildRaisedError
from .isolated import ANSWER, CALL
from .raised import print_raised, sentence_of

UNGUARDED = (
    "while the program was loaded in the new process; let it start its node below `if __name__ == '__main__':` only"
)


def main(folder: str) -> None:
    """Do what is asked in this folder, and leave the answer there."""
    _end_with_parent()
    _let_kernel_choose_us()
    faulthandler.enable()
    call = pickle.loads((Path(folder) / CALL).read_bytes())
    sys.argv[:] = call["argv"]
    _limit_memory(call["memory_bytes"])
    answer = _answer(call)
    aside = Path(folder) / f"{ANSWER}.tmp"
    aside.write_text(json.dumps(answer))
    aside.replace(Path(folder) / ANSWER)


def _answer(call: dict[str, Any]) -> dict[str, Any]:
    try:
        if call["main"] is not None:
            _load_program(call["main"])
        function, arguments = pickle.loads(call["payload"])
    except BaseException as error:  # a program that is loaded may end itself, too
        return _failure(UNGUARDED if call["main"] is not None else "could not be loaded:", error)
    try:
        result = function(*arguments)
        json.dumps(result)
    except BaseException as error:
        return _failure("raised", error)
    return {"result": result}


def _failure(stage: str, error: BaseException) -> dict[str, Any]:
    _limit_memory(0)  # there must be enough left to tell of it
    if isinstance(error, ChildRaisedError) and error.__cause__ is not None:  # it is said who raised it
        print_raised(error.__cause__)
        return {"text": str(error), "is_memory": False}
    is_memory = isinstance(error, MemoryError)
    if not is_memory:
        print_raised(error)
    return {"stage": stage, "text": sentence_of(error), "is_memory": is_memory}


def _end_with_parent() -> None:
    """Let this process and all that it starts be killed when the one that started it is gone, whatever ended that."""
    lifeline = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)  # programs that it starts find nothing to read, instead of waiting
    os.close(nothing)

    def wait() -> None:
        while os.read(lifeline, 1):
            pass
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()


def _let_kernel_choose_us() -> None:
    """When the memory of the machine runs out, this process should go and not the node."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _limit_memory(size_bytes: int) -> None:
    """Refuse what is allocated beyond this size; 0 takes the limit away."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    is_lower = size_bytes and (hard == resource.RLIM_INFINITY or size_bytes < hard)
    resource.setrlimit(resource.RLIMIT_DATA, (size_bytes if is_lower else hard, hard))


def _load_program(place: dict[str, str]) -> None:
    """Make what the user's program defines known as `__main__`, without starting it."""
    name = "__mp_main__"  # the name that programs know from `multiprocessing`
    module = ModuleType(name)
    sys.modules[name] = sys.modules["__main__"] = module
    if "name" in place:
        content = runpy.run_module(place["name"], run_name=name, alter_sys=False)
    else:
        content = runpy.run_path(place["path"], run_name=name)
    module.__dict__.update(content)
