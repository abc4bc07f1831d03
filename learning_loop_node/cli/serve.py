"""`learning-loop serve`: the loop, with everything it needs in one folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 means all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8000,
    data: Annotated[
        Path | None, typer.Option(help="Folder for database and files [LOOP_DATA_FOLDER].", show_default=False)
    ] = None,
    is_open: Annotated[
        bool, typer.Option("--open", help="No login for anybody; only on a loopback address, to try things out.")
    ] = False,
    demo_data: Annotated[
        bool, typer.Option("--demo-data", help="Have the project zauberzeug/demo with test data for programs of nodes.")
    ] = False,
) -> None:
    """Run the loop: projects, images and models in a folder, with an API that its documentation shows at /api/docs."""
    changes: dict[str, object] = {"open": is_open, "demo_data": demo_data}
    if data is not None:
        changes["data_folder"] = data
    try:
        from ..loop_server.serve import serve as serve_loop
    except ImportError as error:
        from ..errors import MissingExtraError

        raise MissingExtraError(
            f"the loop needs {error.name or 'a library'}: pip install '.[loop]' in a checkout"
        ) from error
    from ..logs import configure_logging
    from ..settings import load_log_settings, load_settings

    as_json = load_log_settings().as_json
    configure_logging(as_json=as_json)
    serve_loop(load_settings().loop_server.model_copy(update=changes), host, port, as_log=as_json)
