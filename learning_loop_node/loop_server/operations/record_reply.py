"""Records of images as answers, which may be large."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.responses import Response


def record_reply(answer: dict[str, Any]) -> Response:
    """What comes from the database was checked before it was kept; looking at every number again would take long."""
    return Response(orjson.dumps(answer), media_type="application/json")
