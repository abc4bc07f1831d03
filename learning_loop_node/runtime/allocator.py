"""Lets memory that was freed be used again, instead of being given back to the system and asked for anew.

With its defaults, glibc asks the system for a fresh mapping for each picture and each request body, and the kernel has
to clear every page of it: that took most of the time of a request of 500 KB.
"""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
LARGEST_KEPT_BYTES = 32 * 2**20
"""glibc's own limit; larger than a 4K picture. A limit below the pictures makes them three times slower."""
KEPT_FREE_BYTES = 64 * 2**20


def keep_freed_memory() -> bool:
    """Ask for it, for the whole process. False where the C library is not glibc and knows no such wish."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # musl, for example
        return False
    return bool(mallopt(_MMAP_THRESHOLD, LARGEST_KEPT_BYTES)) and bool(mallopt(_TRIM_THRESHOLD, KEPT_FREE_BYTES))
