"""Runs a node as a program: flags with variables of the same name, logging, the server."""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

import configargparse
import uvicorn

from ..logs import configure_logging
from ..settings import load_log_settings, load_settings

logger = logging.getLogger(__name__)

LARGEST_MESSAGE_BYTES = 64 * 2**20
"""Of a websocket; a raw 4K picture has 25 MB, and uvicorn alone allows 16 MiB."""

VRAM_LIMIT_GB_FLAG = "--vram-limit-gb"
VRAM_LIMIT_GB_HELP = (
    "Gigabytes of GPU memory that a training may use, of the card's total. A lower limit makes batches smaller instead "
    "of running out of memory. 0 means no limit."
)


class NodeParser(configargparse.ArgumentParser):  # type: ignore[misc]
    """A parser in which each flag is also an environment variable: `--batch-size` is `BATCH_SIZE`.

    With a prefix, variables that carry it (`MY_NODE_BATCH_SIZE`) are still read, with a warning.
    """

    def __init__(self, *, description: str, legacy_env_prefix: str = "") -> None:
        self._prefix = legacy_env_prefix
        super().__init__(description=description)

    def add_argument(self, *names: str, **options: Any) -> Any:
        flag = next((name for name in names if name.startswith("--") and name != "--help"), None)
        if flag and "env_var" not in options:
            options["env_var"] = _variable_of(flag)
        return super().add_argument(*names, **options)

    def parse_known_args(
        self,
        args: Sequence[str] | str | None = None,
        namespace: Any = None,
        *others: Any,
        env_vars: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Any:
        variables = self._with_former_names(os.environ if env_vars is None else env_vars)
        return super().parse_known_args(args, namespace, *others, env_vars=variables, **options)

    def _with_former_names(self, environment: Mapping[str, str]) -> dict[str, str]:
        variables = {name: value for name, value in environment.items() if value}  # empty counts as unset
        if not self._prefix:
            return variables
        for action in self._actions:
            name = getattr(action, "env_var", None)
            flag = next((option for option in action.option_strings if option.startswith("--")), None)
            if not name or not flag or name in variables:
                continue
            for former in (f"{self._prefix}{name}", f"{self._prefix}{_variable_of(flag)}"):
                if former in variables:
                    logger.warning("%s is an old name and will not be read forever; set %s instead", former, name)
                    variables[name] = variables[former]
                    break
        return variables


def node_parser(*, description: str, legacy_env_prefix: str = "", vram_limit: bool = False) -> NodeParser:
    """A parser with the flags that every node has: `--host` (`NODE_HOST`) and `--port` (`NODE_PORT`).

    Add your own with `add_argument`. `vram_limit` adds `--vram-limit-gb` for trainers.
    """
    parser = NodeParser(description=description, legacy_env_prefix=legacy_env_prefix)
    parser.add_argument("--host", default="0.0.0.0", env_var="NODE_HOST", help="Address to listen on.")
    parser.add_argument("--port", type=int, default=80, env_var="NODE_PORT", help="Port to listen on.")
    if vram_limit:
        parser.add_argument(VRAM_LIMIT_GB_FLAG, type=float, default=0, help=VRAM_LIMIT_GB_HELP)
    return parser


def run_node(app: str | Any, args: argparse.Namespace) -> None:
    """Serve the node that `app` names (`main:node`), or the node itself, until it is told to stop.

    With `UVICORN_RELOAD` the server starts anew when a source file changes, where the node is named.
    """
    logs = load_log_settings()
    configure_logging(as_json=logs.as_json)
    format_options: dict[str, Any] = {"log_config": None} if logs.as_json else {}
    uvicorn.run(
        app,
        host=args.host,
        port=args.port,
        lifespan="on",
        reload=isinstance(app, str) and load_settings().node.reload,
        ws_max_size=LARGEST_MESSAGE_BYTES,
        **format_options,
    )


def _variable_of(flag: str) -> str:
    return flag.removeprefix("--").replace("-", "_").upper()
