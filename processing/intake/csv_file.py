"""CSV files as they lie on people's disks: their encoding, their delimiter, their records with line numbers."""

import codecs
import csv
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from typing import BinaryIO, NamedTuple, TextIO

from processing.errors import PhotoError
from processing.header import FIRST_BYTES, FORMATS, sniff

ENCODINGS = {
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8 with BOM",
    "utf-16-le-sig": "UTF-16 with BOM",
    "utf-16-be-sig": "UTF-16 BE with BOM",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16 BE",
    "cp1252": "Western European (cp1252)",
    "cp1250": "Central European (cp1250)",
    "cp1251": "Cyrillic (cp1251)",
}  # by Python's name, with `-sig` where a BOM comes first
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}

STEP = 64 * 1024
MAX_LINES = 1_048_576  # as many as a spreadsheet has
MOST_CELLS = 500_000  # of a record, or delimiters in its quotes
SAMPLE = 20  # records that tell the delimiter
END = "\0"  # comes after the last line; no file that is read has a NUL of its own
BREAK = re.compile(r"\r\n|\r|\n")
_NAMED = re.compile(r'"?sep=(.)"?[\r\n]*\Z', re.IGNORECASE)  # Excel's own first line
_BOMS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16-le-sig",
    codecs.BOM_UTF16_BE: "utf-16-be-sig",
}
_WORKBOOKS = (b"xl/", b"[Content_Types].xml")

csv.field_size_limit(2**31 - 1)  # for the whole process and once, so that no thread sees another; a file's own is less


class Record(NamedTuple):
    """The lines of the file, from 1, in which it begins and ends, and its cells."""

    first: int
    last: int
    cells: list[str]


# ---- encoding ------------------------------------------------------------------------------------------------------


def encoding_of(file: BinaryIO) -> str:
    """One of ENCODINGS, by the BOM, else by what the whole file decodes as. Raises PhotoError `csv_unreadable`."""
    file.seek(0)
    start = file.read(FIRST_BYTES)
    _check_kind(start)
    marked = next((name for bom, name in _BOMS.items() if start.startswith(bom)), "")
    if marked:
        check_encoding(file, marked)
        return marked
    for guess in (_wide(start), "utf-8"):
        if guess and _decodes(file, guess):
            return guess
    check_encoding(file, "cp1252")
    return "cp1252"


def check_encoding(file: BinaryIO, encoding: str) -> None:
    """Raises PhotoError `csv_unreadable` where the file is not written so."""
    if not _decodes(file, encoding):
        raise PhotoError("csv_unreadable", reason=f"it is not {ENCODINGS[encoding]} throughout")


def mark(encoding: str) -> bytes:
    """The BOM that a file of this encoding begins with, or nothing."""
    codec = _codec(encoding)
    return b"" if codec == encoding else "\ufeff".encode(codec)


def encode(text: str, encoding: str) -> bytes:
    """What decoding gave, byte for byte, without a BOM. Raises UnicodeEncodeError for what a code page lacks."""
    return text.encode(_codec(encoding), "code-page")


def _codec(encoding: str) -> str:
    return encoding.removesuffix("-sig")


def _code_page(error: UnicodeError) -> tuple[str | bytes, int]:
    """A byte that a code page leaves undefined is the control of that number, as in browsers, and goes back so."""
    if isinstance(error, UnicodeDecodeError) and error.encoding == "charmap":
        return error.object[error.start : error.end].decode("latin-1"), error.end
    if isinstance(error, UnicodeEncodeError) and 0x80 <= ord(error.object[error.start]) < 0xA0:
        return bytes([ord(error.object[error.start])]), error.start + 1
    raise error


codecs.register_error("code-page", _code_page)


def _check_kind(start: bytes) -> None:
    kind = sniff(start)
    if (kind == "zip" and any(mark in start for mark in _WORKBOOKS)) or start.startswith(b"\xd0\xcf\x11\xe0"):
        raise PhotoError("csv_unreadable", reason="it is an Excel workbook, not a CSV")
    if kind in FORMATS:
        raise PhotoError("csv_unreadable", reason="it is a photo, not a CSV")
    if kind not in ("", "text"):
        raise PhotoError("csv_unreadable", reason=f"it is a file of the kind {kind.upper()}, not a CSV")


def _wide(start: bytes) -> str:
    """UTF-16 without a BOM, by the NULs that ASCII has in it."""
    even, odd = start[::2].count(0), start[1::2].count(0)
    return "utf-16-le" if odd > 4 * even else "utf-16-be" if even > 4 * odd else ""


def _decodes(file: BinaryIO, encoding: str) -> bool:
    file.seek(0)
    if not file.read(FIRST_BYTES).startswith(mark(encoding)):
        return False
    try:
        with opened(file, encoding) as text:
            while chunk := text.read(STEP):
                if END in chunk:
                    raise PhotoError("csv_unreadable", reason="it is binary, not text")
    except UnicodeDecodeError:
        return False
    return True


@contextmanager
def opened(file: BinaryIO, encoding: str) -> Iterator[TextIO]:
    """The text of the file, from its beginning, line breaks as they are. The file stays open."""
    file.seek(len(mark(encoding)))
    text = io.TextIOWrapper(file, _codec(encoding), "code-page", newline="")
    try:
        yield text
    finally:
        with suppress(ValueError):  # somebody closed the file
            text.detach()


# ---- records -------------------------------------------------------------------------------------------------------


def samples(file: BinaryIO, encoding: str) -> dict[str, list[list[str]]]:
    """The first records that have something in them, by each delimiter that may be; Excel's `sep=` decides alone."""
    with opened(file, encoding) as text:
        lines = list(io.StringIO(text.read(STEP), newline=""))
    named = _NAMED.match(lines[0]) if lines else None
    if named:
        del lines[0]
    delimiters = [named[1]] if named and named[1] in DELIMITERS else DELIMITERS
    return {delimiter: _sample(lines, delimiter) for delimiter in delimiters}


def _sample(lines: list[str], delimiter: str) -> list[list[str]]:
    found = (cells for cells in csv.reader(lines, delimiter=delimiter) if not is_blank(cells))
    return [cells for cells, _ in zip(found, range(SAMPLE), strict=False)]


def opening(file: BinaryIO, encoding: str) -> str:
    """Excel's own first line, which names the delimiter, where the file begins with it."""
    with opened(file, encoding) as text:
        found = _NAMED.match(text.readline())
    return found[0] if found else ""


def records(file: BinaryIO, encoding: str, delimiter: str) -> Iterator[Record]:
    """All of them, one at a time. Raises PhotoError `csv_too_long`, and `csv_unreadable` at a quote left open."""
    with opened(file, encoding) as text:
        first = text.readline()
        before = 1 if _NAMED.match(first) else 0
        counted = _Counted(chain([first][before:], text, [END]), delimiter)
        reader = csv.reader(counted, delimiter=delimiter)
        begins = before + 1
        for cells in reader:
            counted.cells = 0
            if cells == [END]:
                return
            if cells and cells[-1].endswith(END):
                line = begins + sum(len(BREAK.findall(cell)) for cell in cells[:-1])
                raise PhotoError("csv_unreadable", reason=f"a quote opened in line {line:,} is never closed")
            if begins > MAX_LINES:
                raise PhotoError("csv_too_long", limit=f"{MAX_LINES:,} lines")
            yield Record(begins, before + reader.line_num, cells)
            begins = before + reader.line_num + 1


class _Counted(Iterator[str]):
    """Lines on their way to a reader, which holds all cells of a record at once: 20 MB of commas would be 600 MB."""

    def __init__(self, lines: Iterator[str], delimiter: str) -> None:
        self.cells = 0  # that the record may have by now
        self._lines, self._delimiter = lines, delimiter

    def __next__(self) -> str:
        line = next(self._lines)
        self.cells += line.count(self._delimiter)
        if self.cells > MOST_CELLS:
            raise PhotoError("csv_unreadable", reason=f"a row has more than {MOST_CELLS:,} cells")
        return line


def is_blank(cells: list[str]) -> bool:
    return not any(cell and not cell.isspace() for cell in cells)
