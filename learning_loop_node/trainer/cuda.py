"""How much GPU memory a training may use, and the largest batch that fits into it. The only file that needs PyTorch."""

from __future__ import annotations

import gc
import logging
from abc import ABC, abstractmethod
from argparse import ArgumentParser
from collections.abc import Callable

from ..errors import InsufficientMemoryError, MissingExtraError
from .batch_size import (
    MAX_BATCH_SIZE,
    VRAM_LIMIT_GB_FLAG,
    VRAM_LIMIT_GB_HELP,
    dataset_limit,
    find_batch_size,
    is_out_of_memory,
    no_gpu_batch_size,
)

try:
    import torch
except ImportError as error:
    raise MissingExtraError(
        "finding batch sizes on a GPU needs PyTorch, which trainers bring themselves: pip install torch"
    ) from error

logger = logging.getLogger(__name__)

SAFETY_MARGIN = 0.05
"""The part of the budget that stays free while sizes are tried: training fragments the memory more than a trial."""

DEFAULT_STEPS_PER_TRIAL = 4
"""The optimizer makes its buffers in the first step, so that the second needs more."""

GIGABYTE = 2**30

# CUDA's own limit, too, is one for the whole process, and cannot be asked for in older versions of PyTorch.
_limit_bytes: int | None = None


class ProbeStep(ABC):
    """A training in miniature: `train_step` several times, then `val_step`, for each size that is tried.

    Then `on_out_of_memory` if it did not fit, and `release` in the end. Both steps may return a text for the log.
    """

    @abstractmethod
    def train_step(self, batch_size: int) -> str | None:
        """Forward, loss, backward and optimizer, with made-up data of the real size."""

    @abstractmethod
    def val_step(self, batch_size: int) -> str | None:
        """Forward without gradients."""

    def on_out_of_memory(self) -> None:  # noqa: B027  need not be overridden
        """Drop what the failed step has left, such as gradients."""

    def release(self) -> None:  # noqa: B027
        """Drop the model."""


def measure_batch_size(
    build_step: Callable[[], ProbeStep],
    *,
    max_batch_size: int = 0,
    sample_count: int | None = None,
    probe: str = "batch-size probe",
    minimum: int = 1,
    steps_per_trial: int = DEFAULT_STEPS_PER_TRIAL,
) -> int:
    """The largest batch that can be trained with; a power of two, or `max_batch_size` itself, which 0 leaves open.

    With `sample_count` an epoch keeps several steps. Raises `InsufficientMemoryError` if not even `minimum` fits.
    `probe` names the search in the log. Without a GPU nothing is tried, and the batch is small.
    """
    limit = min(max_batch_size, MAX_BATCH_SIZE) if max_batch_size > 0 else MAX_BATCH_SIZE
    if sample_count is not None and dataset_limit(sample_count) < limit:
        limit = dataset_limit(sample_count)
        logger.info("%s: with %d images a batch has %d at most", probe, sample_count, limit)
    limit = max(limit, minimum)
    if not torch.cuda.is_available():
        return no_gpu_batch_size(limit, probe, minimum)
    return _search(
        build_step, probe=probe, limit=limit, minimum=minimum, candidate=max_batch_size, steps_per_trial=steps_per_trial
    )


def probe_batch_size(run_batch: Callable[[int], str | None], *, probe: str = "batch-size probe", limit: int = 0) -> int:
    """The same for any function that is called with a batch size, such as a detection. 0 is no limit of one's own."""
    limit = min(limit, MAX_BATCH_SIZE) if limit > 0 else MAX_BATCH_SIZE
    if not torch.cuda.is_available():
        return no_gpu_batch_size(limit, probe)
    return _search(lambda: _OnePass(run_batch), probe=probe, limit=limit, minimum=1, candidate=0, steps_per_trial=1)


def measured_fits(
    run_batch: Callable[[int], str | None], *, probe: str, on_out_of_memory: Callable[[], None] | None = None
) -> Callable[[int], bool]:
    """Whether a batch of a size can be run, as a function for `find_batch_size`. Other errors are raised."""

    def fits(size: int) -> bool:
        free_cuda_memory()
        torch.cuda.reset_peak_memory_stats()
        try:
            note = run_batch(size)
            torch.cuda.synchronize()
        except Exception as error:
            if not _is_out_of_memory(error):
                raise
            has_room = False
        else:
            has_room = True
            peak_gb = torch.cuda.max_memory_allocated() / GIGABYTE
            logger.info("%s: %d fits, %.2f GB at most%s", probe, size, peak_gb, f"; {note}" if note else "")
        if not has_room:  # only now: the exception held everything that the failed step had made
            logger.info("%s: %d does not fit", probe, size)
            if on_out_of_memory is not None:
                on_out_of_memory()
        return has_room

    return fits


def reserve_margin(*, probe: str) -> torch.Tensor:
    """Take the safety margin for as long as the result is kept. `InsufficientMemoryError` if that much is not free."""
    size_bytes = int(SAFETY_MARGIN * usable_memory_bytes())
    try:
        margin = torch.empty(size_bytes, dtype=torch.uint8, device="cuda")
    except Exception as error:
        if not _is_out_of_memory(error):
            raise
        raise InsufficientMemoryError(
            f"{probe}: not even {size_bytes / 2**20:.0f} MB of GPU memory are free; end what else uses the GPU"
        ) from error
    logger.info("%s: %.0f MB of GPU memory are kept free", probe, size_bytes / 2**20)
    return margin


def usable_memory_bytes() -> int:
    """What this process may use of the GPU: its limit or the whole card, as far as others leave it."""
    total_bytes = int(torch.cuda.get_device_properties(None).total_memory)
    free_bytes, _ = torch.cuda.mem_get_info()
    reachable_bytes = int(free_bytes) + int(torch.cuda.memory_reserved())
    return min(total_bytes, reachable_bytes, total_bytes if _limit_bytes is None else _limit_bytes)


def add_vram_limit_argument(parser: ArgumentParser) -> None:
    """The flag `--vram-limit-gb`, for `limit_cuda_memory`."""
    parser.add_argument(VRAM_LIMIT_GB_FLAG, type=float, default=0, help=VRAM_LIMIT_GB_HELP)


def limit_cuda_memory(vram_limit_gb: float) -> None:
    """Let this process have so many gigabytes (of 2³⁰ bytes) of the GPU at most; 0 means no limit."""
    global _limit_bytes
    if not vram_limit_gb > 0 or not torch.cuda.is_available():
        return
    total_bytes = int(torch.cuda.get_device_properties(None).total_memory)
    limit_bytes = int(vram_limit_gb * GIGABYTE)
    if limit_bytes >= total_bytes:
        logger.warning(
            "%s %g is no limit: the GPU has %.1f GB", VRAM_LIMIT_GB_FLAG, vram_limit_gb, total_bytes / GIGABYTE
        )
        return
    torch.cuda.set_per_process_memory_fraction(limit_bytes / total_bytes, None)
    _limit_bytes = limit_bytes
    logger.info("%g of %.1f GB of the GPU's memory may be used", vram_limit_gb, total_bytes / GIGABYTE)


def free_cuda_memory() -> None:
    """Give back to the GPU what nobody uses any more."""
    gc.collect()
    torch.cuda.empty_cache()


class _OnePass(ProbeStep):
    """A function as a step."""

    def __init__(self, run_batch: Callable[[int], str | None]) -> None:
        self._run_batch = run_batch

    def train_step(self, batch_size: int) -> str | None:
        return self._run_batch(batch_size)

    def val_step(self, batch_size: int) -> str | None:
        return None


def _search(
    build_step: Callable[[], ProbeStep], *, probe: str, limit: int, minimum: int, candidate: int, steps_per_trial: int
) -> int:
    free_cuda_memory()
    margin = reserve_margin(probe=probe)
    try:
        step = _build(build_step, probe)
        try:
            fits = measured_fits(
                lambda size: _trial(step, size, steps_per_trial), probe=probe, on_out_of_memory=step.on_out_of_memory
            )
            size = find_batch_size(fits, limit=limit, minimum=minimum, candidate=candidate)
        finally:
            step.release()
    finally:
        del margin
        free_cuda_memory()
    logger.info("%s: the batch size is %d, of %d at most", probe, size, limit)
    return size


def _build(build_step: Callable[[], ProbeStep], probe: str) -> ProbeStep:
    try:
        return build_step()
    except Exception as error:
        if not _is_out_of_memory(error):
            raise
        raise InsufficientMemoryError(
            f"{probe}: the model alone does not fit into the GPU's memory; use a smaller model, or end what else uses "
            "the GPU"
        ) from error


def _trial(step: ProbeStep, size: int, steps_per_trial: int) -> str | None:
    notes = [step.train_step(size) for _ in range(steps_per_trial)]
    notes.append(step.val_step(size))
    return "; ".join(dict.fromkeys(note for note in notes if note))


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, torch.cuda.OutOfMemoryError) or is_out_of_memory(error)
