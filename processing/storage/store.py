"""What a place where files live must be able to do; a disk and a bucket both can."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO

from processing.storage.part import Part

MARK = ".photoproc"  # the key of the file that holds an id, which the database of the house remembers
BACKGROUNDS, INCOMING = "backgrounds", "incoming"
OWNER = re.compile(r"[0-9]{1,18}")
OURS = re.compile(rf"[0-9]{{1,18}}/([0-9]{{1,18}}|{BACKGROUNDS}|{INCOMING})")


@dataclass(frozen=True)
class Stored:
    """A file in the house. `sha256` is hexadecimal."""

    key: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Seen:
    """A file that lies here; `age` is in seconds."""

    key: str
    bytes: int
    age: float


@dataclass(frozen=True)
class Post:
    """Leave to send one file straight into a bucket: a form with these fields, then the file as `file`, to `url`."""

    url: str
    fields: dict[str, str]


class Store(ABC):
    """Files by keys such as `7/412/results/0f…c2.png`. A key names a whole file or nothing.

    Whatever does not answer raises PhotoError `storage_unavailable`; a file that is not there `original_missing`.
    """

    @abstractmethod
    def check(self) -> None:
        """Raises PhotoError `storage_unavailable` where it does not answer, or is not that of this house."""

    def answers(self) -> None:
        """As `check`, within a few seconds."""
        self.check()

    @abstractmethod
    def settle(self) -> None:
        """The database remembers this place, where it knows none. Raises Elsewhere where it remembers another one, and
        PhotoError `storage_unavailable` where it cannot be told, and DatabaseError."""

    def own(self) -> None:
        """As `settle`; and the mark here has the id that the database remembers. Raises Foreign where it has not."""
        self.settle()

    @abstractmethod
    def claim(self) -> None:
        """Where the database remembers no place, it is this one from now on, whatever the mark says. Raises OSError."""

    @abstractmethod
    def space(self) -> tuple[int, int] | None:
        """Bytes that are free, and all there are; None where there is no end to it."""

    @abstractmethod
    def write(self, key: str, chunks: Iterable[bytes]) -> Stored:
        """Wholly or not at all; it is safe when this returns. Raises PhotoError `storage_full`, `scratch_full` too."""

    @abstractmethod
    def take(self, parts: Mapping[str, Part]) -> list[Stored]:
        """Take over what has come, under these keys; all is safe when this returns. Raises as `write` does."""

    @abstractmethod
    def opened(self, key: str) -> AbstractContextManager[BinaryIO]:
        """The file, open for reading, in any order."""

    @abstractmethod
    def size(self, key: str) -> int | None:
        """In bytes; None where there is no such file."""

    @abstractmethod
    def pieces(self, key: str, part: range | None = None) -> Iterator[bytes]:
        """The bytes in order, all or this part of them; what is missing is told at the first piece."""

    @abstractmethod
    def link(self, key: str, to: str) -> None:
        """Give a file a second key, without reading it where that can be; each can be deleted for itself."""

    @abstractmethod
    def delete(self, keys: Iterable[str]) -> None:
        """What cannot be removed now is logged; no row names it, so `inventory` finds it later."""

    @abstractmethod
    def delete_folder(self, folder: str) -> None: ...

    @abstractmethod
    def folders(self, inside: str = "") -> Iterator[str]:
        """Each folder that lies here, or in this one, such as `7`, or `7/412`; those within it are not looked at."""

    @abstractmethod
    def files(self, folder: str) -> Iterator[Seen]:
        """Every file in this folder and those within it; none where there is no such folder."""

    @abstractmethod
    def untouched(self, folder: str, seconds: float) -> bool:
        """Whether nothing was added to the folder for so long."""

    # ---- what only a bucket can --------------------------------------------------------------------------------------

    def address(self, key: str, content_type: str, disposition: str) -> str | None:
        """Where anybody can fetch the file for a while, with these headers; None where we have to send it ourselves."""
        return None

    def post(self, key: str, content_type: str, most: int) -> Post | None:
        """Leave to send one file of this type, of 1 to `most` bytes, under this very key; None where it comes to us."""
        return None

    def clear_parts(self, older_than: float) -> int:
        """Give up uploads in parts that were begun so many seconds ago and never ended; gives how many."""
        return 0
