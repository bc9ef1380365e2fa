"""A product CSV on its way in: what each line is, and what is wrong with it. It knows no database."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from django.conf import settings

from processing import guard, spreadsheet
from processing.errors import PhotoError
from processing.intake import product_columns
from processing.intake.csv_file import BREAK, DELIMITERS, ENCODINGS
from processing.intake.names import plain
from processing.intake.product_reading import Line, Reading, lines, read, read_as, urls_of

__all__ = ["DELIMITERS", "ENCODINGS", "Checked", "Checker", "Line", "Reading", "lines", "read", "read_as", "urls_of"]

MAX_CELL = 32_767  # characters, as in a spreadsheet
MAX_ADDRESSES = 250  # of one row
MAX_SERIAL, MAX_NAME, MAX_PROBLEM = 200, 300, 500  # characters that a row has room for
STATUS = spreadsheet.DETAILS[0]
COMPLETED = "completed"
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


class Checked(NamedTuple):
    """What a row is: its texts as a database takes them, its addresses in the guard's spelling; what is wrong with it
    ("" where it can run); and what an earlier run made of it, by column, where it completed there."""

    serial: str
    name: str
    urls: list[str]
    problem_code: str = ""
    problem_column: str = ""
    problem: str = ""
    carried: dict[str, str] | None = None


class _Problem(Exception):
    def __init__(self, column: str, error: PhotoError, where: str = "") -> None:
        self.column, self.code, self.sentence = column, error.code, f"{where}{error.message}"[:MAX_PROBLEM]


class Checker:
    """Checks the lines of one file, in their order."""

    def __init__(self, reading: Reading, allow: guard.Allow) -> None:
        self._reading = reading
        self._allow = allow
        self._lines: dict[str, int] = {}  # by serial number
        self._repeats = product_columns.repeats(reading.header[reading.columns["serial"]])
        self._rows = self._addresses = 0

    def check(self, line: Line) -> Checked:
        """Raises PhotoError `csv_too_long`."""
        texts = {column: line.cells[place] for column, place in self._reading.columns.items()}
        serial, name = _shown(texts["serial"], MAX_SERIAL), _shown(texts["name"], MAX_NAME)
        urls = urls_of(texts["urls"]) if len(texts["urls"]) <= MAX_CELL else []
        self._count(len(urls))
        first = self._lines.setdefault(serial, line.number) if serial and not self._repeats else line.number
        if carried := self._carried(line):
            return Checked(serial, name, urls, carried=carried)
        try:
            _check_cells(line, texts)
            urls = self._judged(urls)
            if first != line.number:
                raise _bad("serial", f"Line {first:,} has serial number {serial} too")
        except _Problem as found:
            urls = [_clean(url, MAX_CELL) for url in urls[:MAX_ADDRESSES]]
            return Checked(serial, name, urls, found.code, found.column, found.sentence)
        return Checked(serial, name, urls)

    def _count(self, addresses: int) -> None:
        self._rows += 1
        self._addresses += addresses
        if self._rows > settings.MAX_CSV_ROWS:
            raise PhotoError("csv_too_long", limit=f"{settings.MAX_CSV_ROWS:,} rows")
        if self._addresses > settings.MAX_CSV_PHOTOS:
            raise PhotoError("csv_too_long", limit=f"{settings.MAX_CSV_PHOTOS:,} addresses")

    def _carried(self, line: Line) -> dict[str, str] | None:
        own = self._reading.own_columns
        if STATUS not in own or line.ragged or line.cells[own[STATUS]].strip().lower() != COMPLETED:
            return None
        return {name: line.cells[place] for name, place in own.items()}

    def _judged(self, urls: list[str]) -> list[str]:
        if not urls:
            raise _bad("urls", "This row has no address")
        if len(urls) > MAX_ADDRESSES:
            raise _bad("urls", f"This row has {len(urls):,} addresses; at most {MAX_ADDRESSES} are read")
        judged = []
        for number, url in enumerate(urls, 1):
            try:
                judged.append(guard.check(url, self._allow).url)
            except PhotoError as error:
                raise _Problem("urls", error, f"Address {number}: " if len(urls) > 1 else "") from None
        return judged


def _clean(text: str, most: int) -> str:
    """Controls, line breaks among them, become a space."""
    return _CONTROLS.sub(" ", text[:MAX_CELL]).strip()[:most]


def _shown(text: str, most: int) -> str:
    """Without marks that turn round the text beside it, and composed, as names and what is searched for are."""
    clean = _clean(text, most)
    return clean if clean.isascii() else plain(clean)[:most].strip()


def _check_cells(line: Line, texts: Mapping[str, str]) -> None:
    for column, text in texts.items():
        if len(text) > MAX_CELL:
            raise _bad(column, f"This cell has {len(text):,} characters; at most {MAX_CELL:,} are read")
        if column != "urls" and "://" in text and (breaks := len(BREAK.findall(text))):
            raise _bad(column, f"This cell goes on for {breaks + 1:,} lines, with addresses: a quote may be missing")
    if line.ragged:
        raise _bad("", line.ragged)


def _bad(column: str, reason: str) -> _Problem:
    return _Problem(column, PhotoError("csv_bad_row", reason=reason))
