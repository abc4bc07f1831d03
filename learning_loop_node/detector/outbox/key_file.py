"""The small third file of an item: the key made at save time, and what the other two files must be.

Items of 0.27 have none. Their key follows from the name of the folder and the image, so that it is the same in every
try and after every restart.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

from ...data_classes import codec
from ...errors import InvalidDataError
from .store import Content, ItemDamagedError


@dataclass(frozen=True, slots=True)
class FileProof:
    """Length and SHA-256 of a file."""

    length: int
    sha256: str

    @classmethod
    def of(cls, content: bytes) -> FileProof:
        return cls(len(content), hashlib.sha256(content).hexdigest())


@dataclass(frozen=True, slots=True)
class KeyFile:
    """The key of an image, and what belongs to it."""

    key: str
    image: FileProof
    metadata: FileProof

    @classmethod
    def made_for(cls, jpeg: bytes, metadata: bytes, key: str | None = None) -> KeyFile:
        """With the key that the sender of the image gave, or one of 128 random bits."""
        return cls(key or secrets.token_hex(16), FileProof.of(jpeg), FileProof.of(metadata))

    def to_bytes(self) -> bytes:
        return codec.to_json(self)


def verified(name: str, jpeg: bytes, metadata: bytes, key_file: bytes | None) -> Content:
    """The content of the item of this name; `ItemDamagedError` says what is wrong with it."""
    if not jpeg:
        raise ItemDamagedError("the image file is empty")
    try:
        if not isinstance(codec.from_json(metadata), dict):
            raise ItemDamagedError("the metadata file holds no JSON object")
    except InvalidDataError as error:
        raise ItemDamagedError(f"the metadata file: {error}") from error
    if key_file is None:
        return Content(jpeg, metadata, _derived_key(name, jpeg))
    try:
        proof = codec.from_dict(KeyFile, codec.from_json(key_file))
    except InvalidDataError as error:
        raise ItemDamagedError(f"the key file: {error}") from error
    if FileProof.of(jpeg) != proof.image:
        raise ItemDamagedError("the image file is not the one that was saved (its length or SHA-256 differs)")
    if FileProof.of(metadata) != proof.metadata:
        raise ItemDamagedError("the metadata file is not the one that was saved (its length or SHA-256 differs)")
    return Content(jpeg, metadata, proof.key)


def _derived_key(name: str, jpeg: bytes) -> str:
    return hashlib.sha256(f"{name} {hashlib.sha256(jpeg).hexdigest()}".encode()).hexdigest()[:32]
