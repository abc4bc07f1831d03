"""Other packages in environments of their own, `.peers/<name>` below the checkout, to be run beside ours."""

from __future__ import annotations

from pathlib import Path

import pytest

PEERS = Path(__file__).resolve().parents[1] / ".peers"


def find_peer(name: str) -> Path | None:
    """The interpreter of this environment, None if there is none that is complete."""
    interpreter = PEERS / name / "bin" / "python"
    return interpreter if (PEERS / name / ".installed").exists() else None


def need_peer(name: str) -> Path:
    """The interpreter of this environment; the test is skipped, with the reason, if there is none."""
    interpreter = find_peer(name)
    if interpreter is None:
        pytest.skip(f"there is no .peers/{name} below the checkout; `make peers` installs it")
    return interpreter
