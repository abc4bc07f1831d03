"""What waits in the outbox of a data folder, without changing it."""

from __future__ import annotations

import time
from pathlib import Path

from ..detector.outbox.folder_view import FolderView
from ..runtime.threads import io_bound
from .finding import Verdict, images_are, ok, warning
from .quantities import span_text

OLD_S = 3600.0


async def check_outbox(folder: Path) -> Verdict:
    """`folder` is that of the outbox."""
    return await io_bound(_check, folder)


def _check(folder: Path) -> Verdict:
    if not any((folder / lane).is_dir() for lane in ("normal", "priority")):
        return ok("nothing was ever kept there")
    view = FolderView(folder)
    usage = view.usage()
    age_s = 0.0 if usage.oldest_at is None else max(0.0, time.time() - usage.oldest_at)
    waits = images_are(usage.items, "waiting") + (f", the oldest for {span_text(age_s)}" if usage.items else "")
    troubles, remedies = [], []
    if view.damaged:
        troubles.append(f"{len(view.damaged)} folders are damaged ({next(iter(view.damaged.values()))})")
        remedies.append("a node that starts puts them into quarantine")
    if usage.quarantine_items:
        troubles.append(images_are(usage.quarantine_items, "in quarantine"))
        where = f"--folder {folder}"
        remedies.append(f"see why: learning-loop outbox list {where}; try again: learning-loop outbox retry {where}")
    if age_s > OLD_S:
        remedies.append("start the node where the loop can be reached; see the checks of the loop")
    found = "; ".join([waits, *troubles])
    return warning(found, ". ".join(remedies)) if remedies else ok(found)
