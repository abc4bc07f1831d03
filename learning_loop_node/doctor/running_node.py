"""How a running node is, in its own words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aiohttp

from ..client.failures import FOREIGN, error_of_exception
from ..client.http import timeout_of
from ..enums import OutboxMode
from .finding import Verdict, error, images_are, ok, warning
from .quantities import span_text

ASK_S = 5.0
CROWDED = 0.5
OLD_S = 3600.0


class NodeChecks:
    """Questions to one node, in this order; `origin` is its address with scheme. Nodes of 0.27 answer some of them."""

    def __init__(self, origin: str, queue_size: int) -> None:
        self._origin = origin
        self._queue_size = queue_size
        self._counts: Mapping[str, Any] | None = None

    async def answers(self) -> Verdict:
        """Whether a detector node answers."""
        status, about = await self._get("/about")
        if status != 200 or not isinstance(about, dict) or "operation_mode" not in about:
            return error("something answers, but no detector node", "correct host and port of --node")
        status, counts = await self._get("/status")
        self._counts = counts if status == 200 and isinstance(counts, dict) else None
        kind = "" if self._counts is not None else ", an older one that does not know /status"
        return ok(f"a detector node, {about['operation_mode']}{kind}")

    async def model(self) -> Verdict:
        """Which model answers, and whether it is the wanted one."""
        _, about = await self._get("/about")
        _, ready = await self._get("/readyz")
        information, target = about.get("model_info"), about.get("target_model")
        missing = ready.get("missing", {}) if isinstance(ready, dict) else {}
        if not information:
            return error(
                f"no model is loaded: {missing.get('model', 'the node does not say why')}",
                "deploy one (learning-loop models deploy VERSION), or do what the reason says",
            )
        serving = information.get("version")
        if target not in (None, "None", serving):
            reason = (self._counts or {}).get("errors", {}).get("update_model", "it may be under way")
            return warning(f"model {serving} answers, {target} is wanted: {reason}", "do what the reason says, or wait")
        if missing:
            return error("; ".join(missing.values()), "look at the node's log")
        return ok(f"model {serving} answers")

    async def queue(self) -> Verdict:
        """How many images wait."""
        detection = (self._counts or {}).get("detection")
        if detection is None:
            return ok("this node does not tell")
        waiting, refused = detection.get("waiting", 0), detection.get("refused", 0)
        answered = detection.get("images", 0)
        found = f"{images_are(waiting, 'waiting')} now, {answered} were answered, {refused} requests refused"
        if waiting > CROWDED * self._queue_size or refused:
            return warning(found, "send fewer images, or let the detector take several at once (max_batch_size)")
        return ok(found)

    async def outbox(self) -> Verdict:
        """Whether images go to the loop."""
        outbox = (self._counts or {}).get("outbox")
        if outbox is None:
            _, mode = await self._get("/outbox_mode", as_text=True)
            return self._mode_verdict(str(mode).strip('"'), f"mode {mode}")
        waits = images_are(outbox["items"], "waiting")
        found = f"{waits}, {outbox['sent']} sent, {outbox['quarantine_items']} in quarantine"
        if outbox["last_error"]:
            return warning(f"{found}; the last try failed: {outbox['last_error']}", "see the checks of the loop")
        if (outbox["oldest_age_s"] or 0) > OLD_S:
            return warning(f"{found}, the oldest for {span_text(outbox['oldest_age_s'])}", "see its log")
        if outbox["quarantine_items"]:
            return warning(found, f"see why: learning-loop outbox list --node {self._origin}")
        return self._mode_verdict(outbox["mode"], found)

    def _mode_verdict(self, mode: str, found: str) -> Verdict:
        if mode == OutboxMode.STOPPED:
            remedy = f"let it send: curl -X PUT -d {OutboxMode.CONTINUOUS_UPLOAD} {self._origin}/outbox_mode"
            return warning(f"{found}; nothing is sent (mode {mode})", remedy)
        return ok(found)

    async def _get(self, path: str, *, as_text: bool = False) -> tuple[int, Any]:
        """Status and answer; None for an answer that is no JSON."""
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout_of(ASK_S)) as session,
                session.get(self._origin + path) as answer,
            ):
                text = await answer.text()
                return answer.status, text if as_text else await answer.json(content_type=None)
        except ValueError:
            return 200, None
        except FOREIGN as failure:
            raise error_of_exception(failure, f"the node at {self._origin} (--node)") from failure
