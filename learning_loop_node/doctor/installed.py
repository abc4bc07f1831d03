"""What is installed, and whether it fits together."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, requires, version

from .finding import Verdict, error, ok

PACKAGE = "learning-loop-node"
EXTRAS: Mapping[str, str] = {
    "loop": "sqlalchemy",
    "demo": "scikit-image",
    "onnx": "onnxruntime",
    "evaluation": "faster-coco-eval",
    "torch": "torch",
}
"""Extras, and of each a distribution that shows whether it is there."""


async def check_installed() -> Verdict:
    """The versions of the package, of Python and of what it needs."""
    wrong = list(unmet(requires(PACKAGE) or ()))
    extras = [extra for extra, distribution in EXTRAS.items() if installed_version(distribution)]
    found = f"{PACKAGE} {version(PACKAGE)}, Python {platform.python_version()}, extras: {', '.join(extras) or 'none'}"
    if wrong:
        return error(f"{found}; {'; '.join(wrong)}", f"pip install --upgrade {PACKAGE}")
    return ok(found)


def unmet(requirements: Iterable[str]) -> list[str]:
    """Requirements (`name[extra]>=1.2,<3`) of the core that are not installed in the version they ask for."""
    found = []
    for requirement in requirements:
        text, _, marker = requirement.partition(";")
        match = re.match(r"\s*([\w.-]+)(?:\[[^\]]*\])?\s*(.*)", text)
        if "extra" in marker or match is None:
            continue
        name, floors = match.group(1), re.findall(r">=\s*([\d.]+)", match.group(2))
        there = installed_version(name)
        if there is None:
            found.append(f"{name} is missing")
        elif floors and _numbers(there) < _numbers(floors[0]):
            found.append(f"{name} {there} is older than {floors[0]}")
    return found


def installed_version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _numbers(text: str) -> list[int]:
    """The leading numbers of a version; `1.2rc1` counts as 1.2."""
    numbers = [int(part) for part in re.findall(r"\d+", re.split(r"[a-z+]", text, maxsplit=1)[0])]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return numbers
