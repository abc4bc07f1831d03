"""What the attacks share."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def is_long(request: pytest.FixtureRequest) -> bool:
    """Whether to try many times as much (`--long`)."""
    return bool(request.config.getoption("--long"))
