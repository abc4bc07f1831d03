from __future__ import annotations

from pathlib import Path

import pytest

from learning_loop_node.client.models import PUSH_S, SLOWEST_BYTES_PER_S, patience_s


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        pytest.param([], PUSH_S, id="nothing"),
        pytest.param([SLOWEST_BYTES_PER_S, 2 * SLOWEST_BYTES_PER_S], PUSH_S + 3, id="two files"),
    ],
)
def test_large_files_may_take_longer_to_send(tmp_path: Path, sizes: list[int], expected: float):
    files = [tmp_path / f"{index}.bin" for index in range(len(sizes))]
    for file, size in zip(files, sizes, strict=True):
        file.write_bytes(bytes(size))
    assert patience_s(files) == expected
    assert patience_s([*files, tmp_path / "missing.bin"]) == expected
