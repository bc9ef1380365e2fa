"""Names that are safe to show, to save under and to pack, whatever was sent."""

import re
import unicodedata
from collections.abc import Iterable

MAX_CHARACTERS, MAX_BYTES = 150, 240
MAX_SHOWN = 1024
# Marks that turn the direction of text round: with them `gpj.exe` reads as `exe.jpg`.
BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
UNSEEN = ("Cc", "Cs", "Zl", "Zp")  # controls, halves of characters, line and paragraph separators
FORBIDDEN = re.compile(r'[<>:"|?*]')  # Windows saves no such name
EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,10}$")
# White space of every kind, as no-break spaces are, and dots; a pattern would take 4 ms for each odd name.
OUTSIDE = "." + "".join(filter(str.isspace, map(chr, range(0x3001))))
RESERVED = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"} | {
    device + number for device in ("COM", "LPT") for number in "0123456789¹²³"
}


def plain(name: str) -> str:
    """The name as it was sent, folders and all, without what cannot be seen; <= 1024 characters."""
    if name.isascii() and name.isprintable():  # as most of tens of thousands are
        return name[:MAX_SHOWN]
    name = unicodedata.normalize("NFC", name[:MAX_SHOWN])  # it would sort a million marks for a quarter of an hour
    seen = (c for c in name if c not in BIDI and unicodedata.category(c) not in UNSEEN)
    return "".join(seen)[:MAX_SHOWN]


def line(text: str, longest: int) -> str:
    """A name that a person gives, as it is kept: one line of so many characters; empty where nothing can be seen."""
    return " ".join(plain(text).split())[:longest].strip()


def clean(name: str) -> str:
    """A file name without folders that every system can save; <= 150 characters and <= 240 bytes."""
    stem, extension = split(FORBIDDEN.sub("_", plain(name).replace("\\", "/").rsplit("/", 1)[-1]))
    if stem.split(".")[0].rstrip().upper() in RESERVED:
        stem = f"_{stem}"
    return _fit(stem, extension)


def split(name: str) -> tuple[str, str]:
    """The name before its extension, "photo" where that is blank, and the extension with its dot."""
    name = name.strip()
    found = EXTENSION.search(name)
    extension = found.group() if found else ""
    return name.removesuffix(extension).strip(OUTSIDE) or "photo", extension


def _fit(stem: str, tail: str) -> str:
    room = MAX_BYTES - len(tail.encode())
    short = stem[: MAX_CHARACTERS - len(tail)].encode()[:room].decode(errors="ignore")
    return short.strip(OUTSIDE) + tail


class Names:
    """The names of one job: each is given once, whatever its case; the second gets ` (2)`."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = {name.casefold() for name in taken}
        self._next: dict[str, int] = {}  # so that 10,000 equal names do not try each number again

    def give(self, name: str) -> str:
        """A clean name like `name` that nobody in the job has."""
        wanted = given = clean(name)
        stem, extension = split(wanted)
        number = self._next.get(wanted.casefold(), 2)
        while given.casefold() in self._taken:
            given = _fit(stem, f" ({number}){extension}")
            number += 1
        self._next[wanted.casefold()] = number
        self._taken.add(given.casefold())
        return given
