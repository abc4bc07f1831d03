"""Opens ONNX files with ONNX Runtime, on what the machine has to run them."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import MissingExtraError, ModelRefusedError

# From 1.32 on, the library gives the machine an id and tells its makers what it runs, unless this is set before.
os.putenv("ORT_DISABLE_TELEMETRY", "1")
try:
    import onnxruntime
except ImportError as error:
    raise MissingExtraError(
        "ONNX models run with ONNX Runtime: pip install 'learning-loop-node[onnx]', or onnxruntime-gpu for a GPU"
    ) from error

onnxruntime.disable_telemetry_events()
logger = logging.getLogger(__name__)

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
USUAL_PROVIDERS = (CUDA, CPU)
"""What is used, where it is there, unless somebody says otherwise."""

ERRORS_ONLY = 3
DTYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}
"""The numbers that images may be for a model."""

SIZE_DTYPES = {"tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(float)": np.float32}


def open_session(file: Path, providers: Sequence[str] = (), threads: int | None = None) -> Any:
    """A session of ONNX Runtime for a file that has been checked; `ModelRefusedError` says why there is none.

    The first of the `providers` that works is used, the CPU in the end. `threads` are as `default_threads` has them,
    unless they are given.
    """
    wanted = _available(providers)
    if CUDA in wanted:
        onnxruntime.preload_dlls()  # those of CUDA may have come with packages of Python, where nothing else looks
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or default_threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = ERRORS_ONLY
    # Threads that wait for work in a loop would take the processor from those that decode images.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(str(file), options, providers=wanted)
    except Exception as error:  # it has a dozen kinds, which share no other base
        raise ModelRefusedError(f"ONNX Runtime {onnxruntime.__version__} cannot open {file.name}: {error}") from error
    used = session.get_providers()[0]
    if providers and used != providers[0]:
        logger.warning("%s runs on %s; %s is not there or does not work", file.name, used, providers[0])
    else:
        logger.info("%s runs on %s", file.name, used)
    return session


def default_threads() -> int:
    """One for each processor that we may use but one; both of two, between which decoding finds its time."""
    count = len(os.sched_getaffinity(0))
    return max(count - 1, min(count, 2))


def _available(providers: Sequence[str]) -> list[str]:
    there = onnxruntime.get_available_providers()
    missing = [name for name in providers if name not in there]
    if missing:
        logger.warning("this ONNX Runtime has no %s; it has %s", ", ".join(missing), ", ".join(there))
    chosen = [name for name in providers or USUAL_PROVIDERS if name in there]
    return chosen if CPU in chosen else [*chosen, CPU]
