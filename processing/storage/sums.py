"""How a bucket that speaks as Amazon's says what has arrived."""

import hashlib
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Sum:
    """How a bucket says what arrived: where in its answer, made in which way, written how."""

    field: str
    algorithm: str
    written: Callable[[bytes], str]

    def of(self, data: bytes) -> str:
        return self.written(hashlib.new(self.algorithm, data, usedforsecurity=False).digest())


ETAG = Sum("ETag", "md5", bytes.hex)
CHECKSUM = Sum("ChecksumSHA256", "sha256", lambda digest: b64encode(digest).decode())


def etag(answer: dict[str, Any]) -> str:
    return str(answer.get("ETag", "")).strip('"')


def composed(parts: list[dict[str, Any]]) -> str:
    """The ETag of a file that was sent in parts: the MD5 of their MD5s, and how many there are."""
    return f"{ETAG.of(b''.join(bytes.fromhex(etag(part)) for part in parts))}-{len(parts)}"
