"""How a product CSV is read, and its lines, exactly as they are in the file."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import BinaryIO, NamedTuple

from django.conf import settings

from processing import spreadsheet
from processing.errors import PhotoError
from processing.intake import csv_file, product_columns
from processing.intake.csv_file import DELIMITERS, ENCODINGS

MAX_COLUMNS = 1000
QUOTES = "\"'“”„"
BEGINS = rf"[{QUOTES}]*(?:[a-z][a-z0-9+.-]{{0,15}}:/|https?[:/]|//|www\.)"  # what an address does, or a misspelt one
_ADDRESS = re.compile(rf"\s*{BEGINS}", re.IGNORECASE)
_BETWEEN = re.compile(rf"(?<![\s,;|])[\s,;|]++(?={BEGINS}|\Z)", re.IGNORECASE)


@dataclass(frozen=True)
class Reading:
    """How a file is read: one of ENCODINGS, one of DELIMITERS, the first line's cells, and the places of `serial`,
    `name` and `urls` among them."""

    encoding: str
    delimiter: str
    header: list[str]
    columns: Mapping[str, int]

    @cached_property
    def own_columns(self) -> dict[str, int]:
        """The columns that an export of ours added, by name: the output, and what of the details comes after it."""
        own = product_columns.own(self.header)
        return {} if set(own.values()) & set(self.columns.values()) else own

    def base(self, cells: Sequence[str]) -> list[str]:
        """A line's cells without those of our own columns."""
        own = set(self.own_columns.values())
        return [cell for place, cell in enumerate(cells) if place not in own]


def read(file: BinaryIO) -> Reading:
    """How the file is to be read, by its content.

    Raises PhotoError `csv_too_long`, `csv_unreadable` or `csv_bad_header`.
    """
    _check_size(file)
    encoding = csv_file.encoding_of(file)
    samples = csv_file.samples(file, encoding)
    return _reading(file, encoding, max(samples, key=lambda delimiter: _likely(samples[delimiter])))


def read_as(file: BinaryIO, *, encoding: str, delimiter: str, columns: Mapping[str, int] | None = None) -> Reading:
    """The same as somebody says; the columns by their names where they are not said. Raises as `read` does."""
    _check_size(file)
    if encoding not in ENCODINGS or delimiter not in DELIMITERS:
        raise PhotoError("csv_unreadable", reason="there is no such encoding or delimiter")
    csv_file.check_encoding(file, encoding)
    if any(len(header) == 1 for header in _first(file, encoding, delimiter)[:1]):
        raise PhotoError("csv_unreadable", reason=f"separated by {DELIMITERS[delimiter]} it has only one column")
    return _reading(file, encoding, delimiter, columns)


def _check_size(file: BinaryIO) -> None:
    size = file.seek(0, 2)
    if size > settings.MAX_CSV_BYTES:
        raise PhotoError("csv_too_long", limit=f"{settings.MAX_CSV_BYTES / settings.MB:g} MB")


def _likely(sample: list[list[str]]) -> tuple[int, int, int]:
    """The more of our columns, of records as long as the header, of columns, the likelier is the delimiter."""
    if not sample:  # there are delimiters and nothing else
        return 0, csv_file.SAMPLE + 1, 0
    header = sample[0]
    alike = sum(len(cells) == len(header) for cells in sample) if len(header) > 1 else 0
    return len(product_columns.find(header)), alike, len(header)


def _reading(file: BinaryIO, encoding: str, delimiter: str, columns: Mapping[str, int] | None = None) -> Reading:
    header, *first = _first(file, encoding, delimiter) or [[]]
    if not header:
        raise PhotoError("csv_unreadable", reason="it is empty")
    if len(header) > MAX_COLUMNS:
        reason = f"its first line has {len(header):,} columns, at most {MAX_COLUMNS:,} are read"
        raise PhotoError("csv_unreadable", reason=reason)
    reading = Reading(encoding, delimiter, header, product_columns.find(header) if columns is None else columns)
    product_columns.check(reading.columns, header)
    if not first:
        raise PhotoError("csv_unreadable", reason="it has a header and no rows")
    return replace(reading, header=[*map(spreadsheet.as_it_was, header)]) if reading.own_columns else reading


def _first(file: BinaryIO, encoding: str, delimiter: str) -> list[list[str]]:
    """The cells of the header and of the line after it, where they are there."""
    found = (record for record in csv_file.records(file, encoding, delimiter) if not csv_file.is_blank(record.cells))
    return [record.cells for record in islice(found, 2)]


# ---- lines ---------------------------------------------------------------------------------------------------------


class Line(NamedTuple):
    """One line with something in it: where in the file it begins, from 1; as many cells as the header has, as they
    are in the file; and why it does not fit the header, "" where it does."""

    number: int
    cells: list[str]
    ragged: str = ""


class Lines(Iterator[Line]):
    """Gives one line at a time. `skipped` counts those that had nothing in them."""

    def __init__(self, file: BinaryIO, reading: Reading) -> None:
        self.skipped = 0
        self._lines = self._of(csv_file.records(file, reading.encoding, reading.delimiter), reading)

    def __next__(self) -> Line:
        return next(self._lines)

    def _of(self, records: Iterator[csv_file.Record], reading: Reading) -> Iterator[Line]:
        is_first, is_ours = True, bool(reading.own_columns)
        for record in records:
            if csv_file.is_blank(record.cells):
                self.skipped += 1
            elif is_first:
                is_first = False
            else:
                if is_ours:
                    record.cells[:] = map(spreadsheet.as_it_was, record.cells)
                yield _line(record, reading)


def lines(file: BinaryIO, reading: Reading) -> Lines:
    """Those after the header, in order. Raises PhotoError `csv_unreadable` at a quote that is never closed."""
    return Lines(file, reading)


def _line(record: csv_file.Record, reading: Reading) -> Line:
    cells, width = record.cells, len(reading.header)
    urls = reading.columns["urls"]
    if len(cells) > urls + 1 and not any(map(str.strip, reading.header[urls + 1 :])):
        _join_addresses(cells, urls, reading.delimiter)
    while len(cells) > width and not cells[-1].strip():
        cells.pop()
    if len(cells) <= width:
        return Line(record.first, cells + [""] * (width - len(cells)))
    ragged = f"This row has {len(cells):,} cells, the first line {width}"
    if record.last > record.first:
        ragged += f"; it goes on to line {record.last:,}, so a quote may be missing"
    return Line(record.first, [*cells[: width - 1], reading.delimiter.join(cells[width - 1 :])], ragged)


def _join_addresses(cells: list[str], urls: int, delimiter: str) -> None:
    """Addresses that are separated like cells belong into one, where no other column comes after them."""
    after = cells[urls + 1 :]
    if any(map(str.strip, after)) and all(_ADDRESS.match(cell) or not cell.strip() for cell in cells[urls:]):
        cells[urls:] = [delimiter.join(cells[urls:]).rstrip(delimiter)]


def urls_of(cell: str) -> list[str]:
    """The addresses in a cell, apart by commas, semicolons, bars, white space: where the next one begins, so that an
    address may have a comma in it."""
    found = (part.strip().strip(QUOTES) for part in _BETWEEN.split(cell))
    return [part for part in found if part]
