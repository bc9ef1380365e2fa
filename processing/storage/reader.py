"""A file that lies elsewhere, open for reading."""

import io
from typing import Any

from processing.storage.store import Store


class Reader(io.RawIOBase):
    """A file in a bucket, read in any order; the buffer before it makes few requests of many small reads."""

    def __init__(self, store: Store, key: str, size: int) -> None:
        self.store, self.key, self.size, self.place = store, key, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.place = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.place, io.SEEK_END: self.size}[whence])
        return self.place

    def readinto(self, buffer: Any) -> int:
        data = self._fetch(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        return self._fetch(self.size)

    def _fetch(self, most: int) -> bytes:
        part = range(self.place, min(self.place + most, self.size))
        data = b"".join(self.store.pieces(self.key, part))
        self.place += len(data)
        return data
