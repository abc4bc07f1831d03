"""Passwords: hashed by argon2id, a few at a time, since each takes much memory."""

from __future__ import annotations

import asyncio
import secrets
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from ...runtime.threads import io_bound

AT_ONCE = 2
LONGEST = 1024
"""Characters of a password; more is surely no password."""


class Passwords:
    """Makes and checks hashes in a thread. `hasher` says how much work a hash is; argon2-cffi knows what is safe."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def hash(self, password: str) -> str:
        async with self._turn:
            return await io_bound(self._hasher.hash, password)

    async def match(self, password: str, password_hash: str | None) -> bool:
        """Whether this is the password. Without a hash it takes as long, so that nobody learns which users exist."""
        if len(password) > LONGEST:
            return False
        async with self._turn:
            return await io_bound(_verify, self._hasher, password, password_hash)


def random_password() -> str:
    """Easy to copy, impossible to guess (96 bits)."""
    return secrets.token_urlsafe(12)


def _verify(hasher: PasswordHasher, password: str, password_hash: str | None) -> bool:
    try:
        return hasher.verify(password_hash or _somebody(hasher), password) and password_hash is not None
    except (VerificationError, InvalidHashError):
        return False


@cache
def _somebody(hasher: PasswordHasher) -> str:
    return hasher.hash(random_password())
