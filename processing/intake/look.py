"""Which of the files handed over may come in. Nothing is kept yet, and no pixel is read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from django.core.files import File

from processing.errors import PhotoError
from processing.header import Header
from processing.intake import archive, limits
from processing.intake.answer import Refused
from processing.intake.archive import Entry
from processing.intake.names import plain

TABLES = (".csv", ".tsv")  # what the names of product CSVs end in


@dataclass(frozen=True)
class Found:
    """A photo with its header, or a ZIP with the entries that may come in."""

    file: "File[Any]"
    name: str
    size: int
    header: Header | None = None
    entries: tuple[Entry, ...] = ()

    @property
    def kind(self) -> str:
        return "originals" if self.header else "archives"

    @property
    def suffix(self) -> str:
        return self.header.format if self.header else "zip"


def at(files: "Sequence[File[Any]]") -> tuple[list[Found], list[Refused]]:
    """What may come in, and what may not and why: one bad file never refuses the others."""
    found: list[Found] = []
    refused: list[Refused] = []
    for number, file in enumerate(files):
        name = plain(file.name or "")
        try:
            limits.check_count(number)
            one, skipped = _at(file, name)
        except PhotoError as error:
            if error.code == "invalid_file_type" and len(files) > 1 and _is_table(file):
                error = PhotoError("csv_not_alone")
            refused.append(Refused.because(name, error))
        else:
            refused += skipped
            found += [one] if one.header or one.entries else []
    return found, refused


def product_csv(files: "Sequence[File[Any]]") -> "File[Any] | None":
    """The one file, if it is called a CSV and is neither photo nor ZIP."""
    if len(files) == 1 and _is_table(files[0]) and not at(files)[0]:
        return files[0]
    return None


def _is_table(file: "File[Any]") -> bool:
    return (file.name or "").lower().endswith(TABLES)


def _at(file: "File[Any]", name: str) -> tuple[Found, list[Refused]]:
    content, size = cast(BinaryIO, file.file), file.size
    if not archive.is_archive(content):
        return Found(file, name, size, limits.check(content, size)), []
    inside = archive.listing(content)
    return Found(file, name, size, entries=tuple(inside.entries)), inside.skipped
