"""The page at `/`, for whoever opens a node or a loop in a browser."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from importlib.metadata import version

from fastapi import FastAPI
from starlette.responses import HTMLResponse
from starlette.types import Receive, Scope, Send

FRONT_PAGE = "GET /"


def add_front_page(app: FastAPI, what: str, addresses: Mapping[str, str]) -> None:
    """Answer `GET /` with what this is and where to go on, unless the program has something of its own there.

    So it is no route: it takes the place of the answer 404. `addresses` are paths and what is found there.
    """
    otherwise = app.router.default

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(scope.get("root_path", "")) or "/"
        if scope["type"] == "http" and path == "/" and scope["method"] in ("GET", "HEAD"):
            await HTMLResponse(_page(app.title, what, addresses))(scope, receive, send)
        else:
            await otherwise(scope, receive, send)

    app.router.default = answer


def _page(title: str, what: str, addresses: Mapping[str, str]) -> str:
    items = "\n".join(f'<li><a href="{path[1:]}">{path}</a> {escape(found)}</li>' for path, found in addresses.items())
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{escape(title)}</title>
<h1>{escape(title)}</h1>
<p>{escape(what)}, learning-loop-node {version("learning-loop-node")}</p>
<ul>
{items}
</ul>
</html>
"""
