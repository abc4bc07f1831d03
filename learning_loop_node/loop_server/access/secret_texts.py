"""Texts that open something: random, shown once, kept as hashes."""

from __future__ import annotations

import hashlib
import secrets
from enum import StrEnum


class TokenKind(StrEnum):
    """Whether a token acts as its user, or as a node."""

    USER = "user"
    NODE = "node"


def new_token(kind: TokenKind) -> str:
    """A token, recognisable by its first letters: `ll_node_…`; impossible to guess (256 bits)."""
    return f"ll_{kind}_{secrets.token_urlsafe(32)}"


def is_token(text: str) -> bool:
    """Whether this is meant as a token; a session has no such first letters."""
    return text.startswith(tuple(f"ll_{kind}_" for kind in TokenKind))


def new_session() -> str:
    return secrets.token_urlsafe(32)


def hash_of(text: str) -> str:
    """What is kept of a secret that nobody can guess; passwords, which can be guessed, are hashed by `passwords.py`."""
    return hashlib.sha256(text.encode()).hexdigest()
