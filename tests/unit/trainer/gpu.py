"""Stands in for PyTorch on a machine with a GPU: memory that tensors take, and that runs out."""

from __future__ import annotations

import weakref
from types import ModuleType, SimpleNamespace

GB = 2**30


class OutOfMemoryError(RuntimeError):
    """What PyTorch raises."""


class Tensor:
    """Takes memory for as long as it is kept; freed memory stays reserved, as with PyTorch's allocator."""

    def __init__(self, gpu: Gpu, size_bytes: int) -> None:
        gpu.take(size_bytes)
        weakref.finalize(self, gpu.give_back, size_bytes)


class Gpu:
    """A card with `total_bytes`, of which others use some."""

    def __init__(self, *, total_bytes: int = 10 * GB, used_by_others_bytes: int = 0, is_there: bool = True) -> None:
        self.total_bytes = total_bytes
        self.used_by_others_bytes = used_by_others_bytes
        self.is_there = is_there
        self.fraction = 1.0
        self.allocated_bytes = 0
        self.reserved_bytes = 0
        self.peak_bytes = 0

    def take(self, size_bytes: int) -> None:
        wanted = self.allocated_bytes + size_bytes
        if wanted > min(self.fraction * self.total_bytes, self.total_bytes - self.used_by_others_bytes):
            raise OutOfMemoryError(f"CUDA out of memory. Tried to allocate {size_bytes} bytes")
        self.allocated_bytes = wanted
        self.reserved_bytes = max(self.reserved_bytes, wanted)
        self.peak_bytes = max(self.peak_bytes, wanted)

    def give_back(self, size_bytes: int) -> None:
        self.allocated_bytes -= size_bytes

    def tensor(self, size_bytes: int) -> Tensor:
        return Tensor(self, size_bytes)

    def as_torch(self) -> ModuleType:
        """What the code imports as `torch`."""
        torch = ModuleType("torch")
        cuda = SimpleNamespace(
            OutOfMemoryError=OutOfMemoryError,
            is_available=lambda: self.is_there,
            get_device_properties=lambda _device: SimpleNamespace(total_memory=self.total_bytes),
            mem_get_info=lambda: (self.total_bytes - self.used_by_others_bytes - self.reserved_bytes, self.total_bytes),
            memory_reserved=lambda: self.reserved_bytes,
            max_memory_allocated=lambda: self.peak_bytes,
            reset_peak_memory_stats=self._reset_peak,
            synchronize=lambda: None,
            empty_cache=self._empty_cache,
            set_per_process_memory_fraction=self._set_fraction,
        )
        contents = {
            "cuda": cuda,
            "uint8": "uint8",
            "Tensor": Tensor,
            "empty": lambda size_bytes, *, dtype, device: self._empty(size_bytes, dtype, device),
        }
        vars(torch).update(contents)
        return torch

    def _empty(self, size_bytes: int, dtype: str, device: str) -> Tensor:
        assert (dtype, device) == ("uint8", "cuda")
        return Tensor(self, size_bytes)

    def _reset_peak(self) -> None:
        self.peak_bytes = self.allocated_bytes

    def _empty_cache(self) -> None:
        self.reserved_bytes = self.allocated_bytes

    def _set_fraction(self, fraction: float, device: object) -> None:
        assert 0 < fraction <= 1
        assert device is None
        self.fraction = fraction
