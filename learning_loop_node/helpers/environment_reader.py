"""Old path of reading single variables, which lives in `settings`."""

from __future__ import annotations

import logging
import os

from ..settings import read_variable

logger = logging.getLogger(__name__)


def read_from_env(possible_names: list[str], ignore_errors: bool = True) -> str | None:
    """The first of these variables that is set; with `ignore_errors=False` a missing or contradicting one raises."""
    values = [value for name in possible_names if (value := read_variable(os.environ, name))]
    if not values:
        trouble = f"no environment variable set for {possible_names}"
    elif len(set(values)) > 1:
        trouble = f"different environment variables set for {possible_names}, the first one counts"
    else:
        return values[0]
    if not ignore_errors:
        raise ValueError(trouble)
    logger.warning(trouble)
    return values[0] if values else None


def organization(default: str = "") -> str:
    return read_from_env(["LOOP_ORGANIZATION", "ORGANIZATION"]) or default


def project(default: str = "") -> str:
    return read_from_env(["LOOP_PROJECT", "PROJECT"]) or default


def username(default: str = "") -> str:
    return read_from_env(["LOOP_USERNAME", "USERNAME"]) or default


def password(default: str = "") -> str:
    return read_from_env(["LOOP_PASSWORD", "PASSWORD"]) or default


def host(default: str = "") -> str:
    return read_from_env(["LOOP_HOST", "HOST"]) or default


def ssl_certificate_path(default: str = "") -> str:
    return read_from_env(["LOOP_SSL_CERT_PATH"]) or default
