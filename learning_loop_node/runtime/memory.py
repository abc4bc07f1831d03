"""How much memory is free, on the GPU or else in the machine."""

from __future__ import annotations

import ctypes
from pathlib import Path


class _MemoryInfo(ctypes.Structure):
    _fields_ = [("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong)]


def free_gpu_memory_mb() -> float | None:
    """MB free on the first GPU, None where there is no NVIDIA driver."""
    try:
        nvml = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return None
    if nvml.nvmlInit_v2() != 0:
        return None
    try:
        device, info = ctypes.c_void_p(), _MemoryInfo()
        if nvml.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(device)) != 0:
            return None
        if nvml.nvmlDeviceGetMemoryInfo(device, ctypes.byref(info)) != 0:
            return None
        return float(info.free) / 2**20
    finally:
        nvml.nvmlShutdown()


def free_memory_mb() -> float:
    """MB of the machine's memory that programs can still have."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) / 1024
    raise OSError("/proc/meminfo has no line MemAvailable")
