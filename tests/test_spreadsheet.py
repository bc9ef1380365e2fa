"""CSV for people's spreadsheets."""

import csv
import io

import pytest

from processing.spreadsheet import RUNS, as_it_was, harmless, to_csv


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_a_cell_that_would_run_is_made_text(first: str) -> None:
    assert harmless(f"{first}1+1") == f"'{first}1+1"


@pytest.mark.parametrize("cell", ["", "shoe.jpg", "1=1", "a-b", " =1", "'=1", "{}"])
def test_others_stay(cell: str) -> None:
    assert harmless(cell) == cell


@pytest.mark.parametrize("cell", ["", "shoe.jpg", "'tis", "'", "it's", *(f"{first}1" for first in RUNS)])
def test_a_harmless_cell_can_be_had_as_it_was(cell: str) -> None:
    assert as_it_was(harmless(cell)) == cell


def test_a_cell_that_was_guarded_already_is_guarded_again() -> None:
    assert harmless(as_it_was("'=1")) == "'=1"


def test_what_is_written_is_read_back() -> None:
    rows = [["name", "note"], ["a,b.jpg", 'said "no"'], ["two\nlines", "ümlaut ☀"]]
    written = to_csv(rows)
    assert written.startswith(b"name,note\r\n")
    assert list(csv.reader(io.StringIO(written.decode(), newline=""))) == rows
