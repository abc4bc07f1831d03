"""A C library that is asked to keep freed memory does so."""

from __future__ import annotations

import platform
import re
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, re, sys
from learning_loop_node.runtime.allocator import keep_freed_memory

def faults_of_a_second_picture():
    import resource
    first = bytearray(8 * 2**20)
    del first
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    second = bytearray(8 * 2**20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

if "keep" in sys.argv:
    assert keep_freed_memory()
print(faults_of_a_second_picture())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be asked")
def test_memory_of_a_picture_is_used_again():
    assert _faults() > 1000
    assert _faults("keep") < 100


def _faults(*arguments: str) -> int:
    answer = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, check=True, text=True)
    found = re.search(r"\d+", answer.stdout)
    assert found
    return int(found[0])
