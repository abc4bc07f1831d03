"""Files of images as answers."""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response


def file_reply(request: Request, file: Path, media_type: str, tag: str) -> Response:
    """A file, or 304 for who has it already; `tag` is another one for another content.

    Browsers ask each time: who sits there may have changed, what they may see, and which image has this id.
    """
    headers = {"ETag": f'"{tag}"', "Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return FileResponse(file, media_type=media_type, headers=headers)
