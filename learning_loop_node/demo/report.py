"""What the demo prints in the end, for people and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from .sighting import TRANSPORT_NAMES, Judgement, Sighting
from .verdict import Verdict

STYLES = {
    Judgement.CONFIDENT: "green",
    Judgement.UNCERTAIN: "yellow",
    Judgement.WEAK: "blue",
    Judgement.MISFIRE: "red",
}


def table_of(sightings: Sequence[Sighting]) -> Table:
    """One row per photograph."""
    table = Table(title="What the cameras saw", title_justify="left", header_style="bold")
    for column in ("photograph", "camera", "over", "model", "detected", "kept"):
        table.add_column(column)
    for sighting in sightings:
        table.add_row(
            sighting.photograph.name,
            sighting.photograph.camera,
            TRANSPORT_NAMES[sighting.transport],
            sighting.model_version or "-",
            Text(sighting.error, "red") if sighting.error else _detections_of(sighting),
            _fate_of(sighting),
        )
    return table


def print_verdict(console: Console, verdict: Verdict) -> None:
    """Each check in a line, the failed ones in red; then the notes."""
    for check in verdict.checks:
        mark, style = ("ok    ", "green") if check.holds else ("FAILED", "bold red")
        console.print(Text.assemble((mark, style), f"  {check.claim}: ", (check.numbers, "bold")))
    for note in verdict.notes:
        console.print(Text.assemble(("note  ", "dim"), f"  {note}"))


def print_places(console: Console, places: Mapping[str, object]) -> None:
    """Where to look further; each in a line of its own that is never wrapped."""
    width = max(len(name) for name in places)
    for name, place in places.items():
        console.print(Text(f"{name.ljust(width)}  {place}"), soft_wrap=True)


def as_json(sightings: Sequence[Sighting], verdict: Verdict, places: Mapping[str, object]) -> dict[str, Any]:
    """The same for scripts."""
    return {
        "adds_up": verdict.adds_up,
        "checks": [{"claim": check.claim, "numbers": check.numbers, "holds": check.holds} for check in verdict.checks],
        "notes": verdict.notes,
        "photographs": [
            {
                "name": sighting.photograph.name,
                "camera": sighting.photograph.camera,
                "transport": sighting.transport,
                "model_version": sighting.model_version,
                "error": sighting.error,
                "detections": [
                    {"category": box.category_name, "confidence": box.confidence, "judgement": judgement}
                    for box, judgement in sighting.judged()
                ],
                "causes": None if sighting.causes is None else list(sighting.causes),
            }
            for sighting in sightings
        ],
    } | {name: str(place) for name, place in places.items()}


def _fate_of(sighting: Sighting) -> Text:
    if sighting.causes is None:
        return Text("no, seen before" if sighting.is_seen_before else "no", "dim")
    return Text(", ".join(sighting.causes) or "no cause", "magenta")


def _detections_of(sighting: Sighting) -> Text:
    text = Text()
    for box, judgement in sighting.judged():
        note = " misfire" if judgement is Judgement.MISFIRE else ""
        text.append(", " if text else "")
        text.append(f"{box.category_name} {box.confidence:.2f}{note}", STYLES[judgement])
    return text or Text("nothing", "dim")
