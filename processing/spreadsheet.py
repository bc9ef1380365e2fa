"""CSV for people's spreadsheets: RFC 4180, and no cell that a spreadsheet would run."""

import csv
import io
from collections.abc import Iterable

OUTPUT = "Output Image Urls"  # the column that a product CSV comes back with
DETAILS = ("Status", "Error", "Width", "Height", "Bytes", "SHA256")  # and those that it has on request
RUNS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def harmless(cell: str) -> str:
    """The cell with a leading `'` where a spreadsheet would take it for a formula."""
    return f"'{cell}" if cell.startswith(RUNS) else cell


def as_it_was(cell: str) -> str:
    """The cell before it was made `harmless`."""
    return cell[1:] if cell.startswith("'") and cell.startswith(RUNS, 1) else cell


def to_text(rows: Iterable[Iterable[str]], delimiter: str = ",") -> str:
    """Lines ended by CRLF."""
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter).writerows([harmless(cell) for cell in row] for row in rows)
    return out.getvalue()


def to_csv(rows: Iterable[Iterable[str]]) -> bytes:
    """The same with commas, in UTF-8."""
    return to_text(rows).encode()
