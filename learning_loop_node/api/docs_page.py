"""The page that shows an application's OpenAPI document, with scripts from our own machine: it works offline."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

PACKAGE = "fastapi_offline"
"""A package that ships Swagger UI; it is never imported, only its files are sent."""

FILES = ("swagger-ui-bundle.js", "swagger-ui.css")


def add_docs_page(app: FastAPI) -> None:
    """Put our page in the place of FastAPI's, which loads its scripts from a public server."""
    path, document = app.docs_url, app.openapi_url
    if path is None or document is None:
        return

    async def page(request: Request) -> Response:
        root = request.scope.get("root_path", "").rstrip("/")
        return get_swagger_ui_html(
            openapi_url=root + document,
            title=app.title,
            swagger_js_url=f"{root}{path}/{FILES[0]}",
            swagger_css_url=f"{root}{path}/{FILES[1]}",
            swagger_favicon_url="data:,",
        )

    async def file(request: Request) -> Response:
        name = request.path_params["file"]
        if name not in FILES:
            raise HTTPException(404)
        return FileResponse(_folder() / name, headers={"Cache-Control": "max-age=86400"})

    former = {path, app.swagger_ui_oauth2_redirect_url}
    kept = [route for route in app.router.routes if getattr(route, "path", None) not in former]
    app.router.routes[:] = [*kept, Route(path, page), Route(f"{path}/{{file}}", file)]


def _folder() -> Path:
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise HTTPException(404, f"this page needs the package {PACKAGE}")
    return Path(spec.origin).parent / "static"
