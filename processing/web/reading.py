"""How a product CSV was read, as the page shows it, and what a person says to read it otherwise."""

from collections.abc import Mapping
from itertools import islice
from typing import Any

from processing import storage
from processing.errors import PhotoError
from processing.intake import product_csv
from processing.intake.csv_file import DELIMITERS, ENCODINGS
from processing.intake.mending import reading_of
from processing.models import Job
from processing.watch import number

LINES = 5
LONGEST = 100  # characters of a column's name in a list
COLUMNS = {"serial": "Serial number", "name": "Product name", "urls": "Image addresses"}


def of(job: Job, sent: Mapping[str, str], problem: str = "") -> dict[str, Any]:
    """For the page: words, selects, the first lines with the use of each column, those that have one first; `sent` is
    what was chosen in vain."""
    csv = job.product_csv
    use = {csv.columns[name]: word for name, word in COLUMNS.items()}
    places = [*use, *(place for place in range(len(csv.header)) if place not in use)]
    try:
        lines = _first_lines(job)
    except PhotoError as error:
        lines, problem = [], problem or error.detail
    return {
        "encoding": ENCODINGS.get(csv.encoding, csv.encoding),
        "delimiter": DELIMITERS.get(csv.delimiter, csv.delimiter),
        "selects": _selects(job, sent if problem else {}),
        "header": [(csv.header[place], use.get(place, "")) for place in places],
        "lines": [(line, [(cells[place], use.get(place, "")) for place in places]) for line, cells in lines],
        "problem": problem,
    }


def asked(job: Job, sent: Mapping[str, str]) -> dict[str, Any]:
    """What `products.read_again` takes; what was not sent stays as it is.

    Another separator makes other columns: they are found by their names then, unless somebody chose them too.
    """
    csv = job.product_csv
    encoding, delimiter = sent.get("encoding", csv.encoding), sent.get("delimiter", csv.delimiter)
    chosen = {name: number(sent.get(name, "")) for name in COLUMNS}
    columns = {name: csv.columns[name] if place is None else place for name, place in chosen.items()}
    by_name = delimiter != csv.delimiter and columns == csv.columns
    return {"encoding": encoding, "delimiter": delimiter, "columns": None if by_name else columns}


def _first_lines(job: Job) -> list[tuple[int, list[str]]]:
    """Raises PhotoError where the file is gone or cannot be read."""
    csv = job.product_csv
    with storage.opened(csv.key) as file:
        return [(line.number, line.cells) for line in islice(product_csv.lines(file, reading_of(csv)), LINES)]


def _selects(job: Job, sent: Mapping[str, str]) -> list[dict[str, Any]]:
    csv = job.product_csv
    places = [(str(place), name[:LONGEST] or f"Column {place + 1}") for place, name in enumerate(csv.header)]
    fields = [(name, label, places, str(csv.columns[name])) for name, label in COLUMNS.items()]
    fields += [
        ("encoding", "Encoding", list(ENCODINGS.items()), csv.encoding),
        ("delimiter", "Separated by", [(one, word.capitalize()) for one, word in DELIMITERS.items()], csv.delimiter),
    ]
    return [
        {
            "name": name,
            "label": label,
            "is_wrong": sent.get(name, now) != now,
            "options": [(value, word, value == sent.get(name, now)) for value, word in all_],
        }
        for name, label, all_, now in fields
    ]
