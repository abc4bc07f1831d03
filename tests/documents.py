"""What is written for users, in the order in which somebody reads it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"

README = ROOT / "README.md"
PAGES = (
    "detector",
    "loop",
    "datasets",
    "converter",
    "trainings",
    "trainer",
    "training_models",
    "annotator",
    "people",
    "operations",
    "moving",
    "reference",
)
DOCUMENTS = [README, *(DOCS / f"{name}.md" for name in PAGES)]
"""The examples of one go on where those of the one before have ended."""


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def headings(text: str) -> list[str]:
    return re.findall(r"^#+ (.+)$", without_code(text), re.MULTILINE)


def section(text: str, heading: str) -> str:
    """The text below a heading of the second level, up to the next one."""
    return text.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def broken_links(document: Path) -> list[str]:
    """Links to files that are not there, or to headings that they do not have."""
    text = without_code(document.read_text())
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    return [link for link in links if not _leads_somewhere(document, link)]


def _leads_somewhere(document: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = document.parent / path if path else document
    return target.exists() and (not anchor or anchor in map(_anchor, headings(target.read_text())))


def _anchor(heading: str) -> str:
    """As GitHub and others make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
