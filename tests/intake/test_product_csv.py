"""Product CSVs as people send them: how they are read, and what is said of each line."""

import csv
import io
import zipfile
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from processing.errors import PhotoError
from processing.intake import csv_file, product_csv
from processing.intake.product_csv import Checked, Checker, Line, Reading, lines, read, read_as, urls_of
from processing.models import ProductRow
from tests.conftest import picture

HEADER = ["S. No.", "Product Name", "Input Image Urls"]
A, B, C = (f"https://cdn.example.com/{name}.jpg" for name in "abc")


def text(rows: Sequence[Sequence[str]], delimiter: str = ",", end: str = "\r\n") -> str:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, lineterminator=end).writerows(rows)
    return out.getvalue()


def file(content: str | bytes, encoding: str = "utf-8") -> io.BytesIO:
    if isinstance(content, bytes):
        return io.BytesIO(content)
    return io.BytesIO(csv_file.mark(encoding) + csv_file.encode(content, encoding))


def told(content: str | bytes) -> str:
    """The sentence with which a file is refused, at whichever point."""
    with pytest.raises(PhotoError) as refused:
        checked(content)
    return refused.value.message


def checked(content: str | bytes) -> list[Checked]:
    source = file(content)
    reading = read(source)
    checker = Checker(reading, frozenset({("localhost", 8001)}))
    return [checker.check(line) for line in lines(source, reading)]


def row(urls: str, name: str = "Mug", serial: str = "1") -> Checked:
    return checked(text([HEADER, [serial, name, urls]]))[0]


# ---- encodings, delimiters, line breaks ------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"], ids=["CRLF", "LF", "CR"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"], ids=["commas", "semicolons", "tabs"])
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16-le-sig", "utf-16-be-sig", "utf-16-le", "utf-16-be", "cp1252"]
)
def test_a_file_is_read_as_it_was_written(encoding: str, delimiter: str, end: str) -> None:
    rows = [[*HEADER, "Größe"], ["1", 'Tasse, "blau"; groß', f"{A},{B}", "+5"], ["2", "Café — été", C, ""]]
    source = file(text(rows, delimiter, end), encoding)
    reading = read(source)
    assert reading == Reading(encoding, delimiter, rows[0], {"serial": 0, "name": 1, "urls": 2})
    assert list(lines(source, reading)) == [Line(2, rows[1]), Line(3, rows[2])]


LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
PAGE = st.sampled_from(bytes(range(1, 256)).decode("cp1252", "code-page"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16-le-sig", "utf-16-be-sig", "cp1252"])
@given(data=st.data())
@hypothesis_settings(max_examples=40, deadline=None)
def test_any_cell_comes_through_and_goes_back_byte_for_byte(encoding: str, data: st.DataObject) -> None:
    cell = st.text(PAGE if encoding == "cp1252" else LETTERS, max_size=12)
    cells = data.draw(st.lists(st.tuples(cell, cell, cell).map(list), min_size=1, max_size=6))
    delimiter = data.draw(st.sampled_from(",;\t"))
    rows = [[*HEADER, "Größe", "Note"], *(["1", name, A, *others] for name, *others in cells)]
    source = file(text(rows, delimiter), encoding)
    reading = read(source)
    assert (reading.encoding, reading.delimiter) == (encoding, delimiter)
    found = list(lines(source, reading))
    assert [line.cells for line in found] == rows[1:]
    assert found == list(lines(source, reading))
    written = text([reading.header, *(line.cells for line in found)], delimiter)
    assert csv_file.mark(encoding) + csv_file.encode(written, encoding) == source.getvalue()


def test_lines_are_counted_as_an_editor_does() -> None:
    content = f'\n"S. No.",Product Name,"Input\nImage Urls"\r\n1,"two\r\nlines",{A}\n\n,"",\n2,"a\rb\nc",{A}\n3,,{A}'
    source = file(content)
    found = lines(source, read(source))
    assert [(line.number, line.cells[1]) for line in found] == [(4, "two\r\nlines"), (8, "a\rb\nc"), (11, "")]
    assert found.skipped == 3


def test_reading_may_stop_anywhere_and_never_closes_the_file() -> None:
    source = file(text([HEADER, ["1", "Mug", A], ["2", "Tote", B]]))
    found = lines(source, read(source))
    next(found)
    del found
    assert not source.closed
    found = lines(source, read(source))
    next(found)
    source.close()
    del found  # which would complain, and so fail the test


def test_excel_may_name_the_delimiter_in_a_line_before_the_header() -> None:
    source = file(f"sep=;\r\nS. No.;Product Name;Input Image Urls\r\n1;Mug;{A}\r\n")
    reading = read(source)
    assert (reading.delimiter, reading.header) == (";", HEADER)
    assert list(lines(source, reading)) == [Line(3, ["1", "Mug", A])]


def test_bytes_that_cp1252_leaves_undefined_survive() -> None:
    source = file(text([HEADER, ["1", "x", A]]).encode().replace(b"x", b"\x81\x8d\x8f\x90\x9d\xfc"))
    reading = read(source)
    (line,) = lines(source, reading)
    assert reading.encoding == "cp1252"
    assert csv_file.encode(line.cells[1], "cp1252") == b"\x81\x8d\x8f\x90\x9d\xfc"


def test_what_a_code_page_lacks_is_not_lost_in_silence() -> None:
    with pytest.raises(UnicodeEncodeError):
        csv_file.encode("Кружка", "cp1252")


def test_somebody_may_read_it_in_another_way() -> None:
    source = file(text([["№", "Имя", "Фото", "Image"], ["1", "Кружка", A, B]], ";"), "cp1251")
    reading = read_as(source, encoding="cp1251", delimiter=";", columns={"serial": 0, "name": 1, "urls": 2})
    assert [line.cells for line in lines(source, reading)] == [["1", "Кружка", A, B]]
    assert reading.header == ["№", "Имя", "Фото", "Image"]


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"encoding": "utf-8-sig", "delimiter": ","}, "csv_unreadable"),
        ({"encoding": "utf-16-le", "delimiter": ","}, "csv_unreadable"),
        ({"encoding": "klingon", "delimiter": ","}, "csv_unreadable"),
        ({"encoding": "utf-8", "delimiter": "x"}, "csv_unreadable"),
        ({"encoding": "utf-8", "delimiter": ";"}, "csv_unreadable"),
        ({"encoding": "utf-8", "delimiter": ",", "columns": {"serial": 0, "name": 1, "urls": 9}}, "csv_bad_header"),
        ({"encoding": "utf-8", "delimiter": ",", "columns": {"serial": 0, "name": -1, "urls": 2}}, "csv_bad_header"),
    ],
)
def test_another_way_that_does_not_fit_is_refused(said: dict[str, Any], code: str) -> None:
    with pytest.raises(PhotoError) as refused:
        read_as(file(text([HEADER, ["1", "ä", A]])), **said)
    assert refused.value.code == code


# ---- the header ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        ["s.no", "PRODUCT  NAME", "input_image_urls"],
        ["SKU", "Title", "Image Src"],
        ["Handle", "Name", "image-url"],
        ["#", "product", "Photos"],
        ["Serial Number", "product_title", "Image URL(s)"],
        ["Artikel-Nr.", "Bezeichnung", "Bild-URLs"],
        ["Lfd. Nr.", "Produktname", "Bilder"],
        ["\ufeff№", "Name", "Picture"],
    ],
    ids=lambda header: header[-1],
)
def test_columns_are_known_by_many_names(header: list[str]) -> None:
    assert read(file(text([header, ["1", "Mug", A]]))).columns == {"serial": 0, "name": 1, "urls": 2}


def test_the_own_names_win_and_then_the_surer_ones() -> None:
    header = ["id", "Title", "Image", "sku", "Input Image Urls", "Product Name", "Product Name"]
    assert read(file(text([header, ["1"]]))).columns == {"serial": 3, "name": 5, "urls": 4}


def test_a_bad_header_says_what_is_missing_and_what_is_there() -> None:
    sentence = "The CSV has no column Product Name, Input Image Urls. Its columns: S. No., Preis in €, Farbe."
    assert told('S. No.;"Preis\nin €";Farbe;\n1;2;3;\n') == sentence
    long = told(text([["x" * 90, *(f"column {n}" for n in range(30))], ["1"]]))
    assert long.endswith(f"{'x' * 39}…, {', '.join(f'column {n}' for n in range(11))} and 19 more.")


# ---- what is no CSV, or too much -------------------------------------------------------------------------------------


def packed(name: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, "x")
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b" \r\n\t\n\n,,\n", "it is empty"),
        (b"\xef\xbb\xbf", "it is empty"),
        (b"\xff\xfe", "it is empty"),
        (b"sep=;\r\n", "it is empty"),
        (text([HEADER]).encode(), "it has a header and no rows"),
        (text([HEADER, ["", " ", ""]]).encode(), "it has a header and no rows"),
        (packed("[Content_Types].xml"), "it is an Excel workbook, not a CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "it is an Excel workbook, not a CSV"),
        (packed("mug.jpg"), "it is a file of the kind ZIP, not a CSV"),
        (b"<!doctype html><title>Sign in</title>", "it is a file of the kind HTML, not a CSV"),
        (picture(), "it is a photo, not a CSV"),
        (text([HEADER, ["1", "a\0b", A]]).encode(), "it is binary, not text"),
        (bytes(range(256)) * 40, "it is binary, not text"),
        (b"\x80" * 100_000 + b"\0", "it is binary, not text"),
        (b"\xef\xbb\xbfS. No.\xff", "it is not UTF-8 with BOM throughout"),
        (b"\xff\xfea\0b", "it is not UTF-16 with BOM throughout"),
        (text([HEADER, ["1", "Mug", A]]).encode() + b'2,"Mug\n,x\n', "a quote opened in line 3 is never closed"),
        (text([HEADER]).encode() + b'2,"two\nlines","a\n\n', "a quote opened in line 3 is never closed"),
        (b'"S. No.,Product Name,Input Image Urls\r\n1,Mug,\n', "a quote opened in line 1 is never closed"),
        (b"," * 5000 + b"a\nb", "its first line has 5,001 columns, at most 1,000 are read"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_read_says_why(content: bytes, reason: str) -> None:
    assert told(content) == f"The CSV cannot be read: {reason}."


def test_too_much_is_refused(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    content = text([HEADER, *([str(n), "Mug", f"{A} {B}"] for n in range(5))])
    settings.MAX_CSV_ROWS, settings.MAX_CSV_PHOTOS = 5, 10
    assert len(checked(content)) == 5
    settings.MAX_CSV_PHOTOS = 9
    assert told(content) == "The CSV has more than 9 addresses."
    settings.MAX_CSV_ROWS = 4
    assert told(content) == "The CSV has more than 4 rows."
    monkeypatch.setattr(csv_file, "MAX_LINES", 3)
    assert told("\n" * 4 + content) == "The CSV has more than 3 lines."
    settings.MAX_CSV_BYTES = 100
    assert told(content) == "The CSV has more than 0.0001 MB."


def test_cells_without_end_are_not_held_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_file, "MOST_CELLS", 30)
    rows = text([HEADER, *([str(number), "Mug, Lamp", A] for number in range(30))])
    assert len(checked(rows)) == 30
    for endless in ("a," * 31, 'a,b,c,"\r\n",' * 10):
        assert told(rows + endless) == "The CSV cannot be read: a row has more than 30 cells."


def test_shopify_repeats_a_products_handle_for_each_photo() -> None:
    rows = [["mug", "Mug", A], ["mug", "", A]]
    problems = [[found.problem for found in checked(text([[first, "Title", "Image Src"], *rows]))] for first in
                ("Handle", "SKU")]  # fmt: skip
    assert problems == [["", ""], ["", "Line 2 has serial number mug too."]]


# ---- ragged lines ----------------------------------------------------------------------------------------------------


def one(cells: str, header: str = "S. No.,Product Name,Input Image Urls") -> Line:
    source = file(f"{header}\n{cells}\n")
    return next(lines(source, read(source)))


def test_a_short_line_is_filled_up_and_empty_surplus_cells_fall_off() -> None:
    assert one("1,Mug") == Line(2, ["1", "Mug", ""])
    assert one(f"1,Mug,{A},, ,") == Line(2, ["1", "Mug", A])


@pytest.mark.parametrize("header", ["S. No.,Product Name,Input Image Urls", "S. No.,Product Name,Input Image Urls,,,"])
def test_addresses_without_quotes_become_one_cell(header: str) -> None:
    found = one(f"1,Mug,{A}, {B},{C}", header)
    assert found.cells[:3] == ["1", "Mug", f"{A}, {B},{C}"]
    assert len(found.cells) == header.count(",") + 1
    assert not found.ragged


def test_other_surplus_cells_are_told_and_kept() -> None:
    assert one(f"1,Mug, teal,{A}") == Line(2, ["1", "Mug", f" teal,{A}"], "This row has 4 cells, the first line 3")
    swallowed = one(f'1,"Mug,{A}\n2,Tote,{A}\n3,"Lamp",teal,{A}')
    assert swallowed.ragged == "This row has 4 cells, the first line 3; it goes on to line 4, so a quote may be missing"
    found = checked(text([HEADER, ["1", "Mug", "teal", A], ["2", "Tote", A]]))
    assert [(each.problem_code, each.problem_column, each.problem) for each in found] == [
        ("csv_bad_row", "", "This row has 4 cells, the first line 3."),
        ("", "", ""),
    ]


# ---- addresses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("between", [",", ", ", ";", " ", "\n", "\r\n", " | ", ",\n", ";;", "\t"])
def test_addresses_are_apart_as_people_write_them(between: str) -> None:
    assert urls_of(between.join((A, B, C)) + between) == [A, B, C]


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("", []),
        (" ,;\n", []),
        (
            "https://i.example.com/w_300,h_300/a.jpg, https://i.example.com/b;c|d.jpg",
            ["https://i.example.com/w_300,h_300/a.jpg", "https://i.example.com/b;c|d.jpg"],
        ),
        (f'"{A}", "{B}"', [A, B]),
        (f"'{A}'", [A]),
        ("https://e.example/my photo.jpg", ["https://e.example/my photo.jpg"]),
        (f"htp://e.example/a,ftp://e.example/b,www.e.example/c,{A}",
         ["htp://e.example/a", "ftp://e.example/b", "www.e.example/c", A]),
        ("no address", ["no address"]),
    ],
)  # fmt: skip
def test_a_comma_in_an_address_does_not_part_it(cell: str, found: list[str]) -> None:
    assert urls_of(cell) == found


def test_a_hostile_cell_takes_no_time() -> None:
    assert len(urls_of(", " * 16_000 + "x" + '"' * 30_000)) == 1


# ---- what is said of a row -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("urls", "code", "sentence"),
    [
        ("", "csv_bad_row", "This row has no address."),
        (" , ", "csv_bad_row", "This row has no address."),
        ("htp://e.example.com/a.jpg", "invalid_image_url", "Addresses begin with http:// or https://."),
        ("ftp://e.example.com/a.jpg", "invalid_image_url", "Addresses begin with http:// or https://."),
        ("file:///etc/passwd", "invalid_image_url", "Addresses begin with http:// or https://."),
        ("http://10.0.0.12/a.jpg", "fetch_blocked_address", "This server may not fetch this address."),
        (f"{A}, http://127.1/a", "fetch_blocked_address", "Address 2: This server may not fetch this address."),
        (" ".join([A] * 251), "csv_bad_row", "This row has 251 addresses; at most 250 are read."),
        ("x" * 32_768, "csv_bad_row", "This cell has 32,768 characters; at most 32,767 are read."),
    ],
    ids=["none", "blank", "misspelt", "ftp", "file", "private", "second", "many", "long"],
)
def test_an_address_that_cannot_run_says_why(urls: str, code: str, sentence: str) -> None:
    found = row(urls)
    assert (found.problem_code, found.problem_column, found.problem) == (code, "urls", sentence)


def test_a_row_that_can_run_has_no_problem() -> None:
    found = row(f"http://localhost:8001/a.jpg,HTTP://Cdn.Example.com/b.jpg\n{A}", 'Tote, "navy"\r\nbig ☀', " 7 ")
    urls = ["http://localhost:8001/a.jpg", "http://cdn.example.com/b.jpg", A]
    assert found == Checked("7", 'Tote, "navy" big ☀', urls)


def test_a_serial_number_may_come_once_or_be_empty() -> None:
    rows = [["1043", "a", A], ["", "b", A], ["", "", A], [" 1043 ", "c", A], ["1043", "d", "x"]]
    problems = [(found.problem_column, found.problem) for found in checked(text([HEADER, *rows]))]
    assert problems[:4] == [("", ""), ("", ""), ("", ""), ("serial", "Line 2 has serial number 1043 too.")]
    assert problems[4][0] == "urls"


def test_a_quote_that_is_closed_lines_later_is_told() -> None:
    found = checked(f'{",".join(HEADER)}\n1,"Mug,{A}\n2,Tote,{A}\n3,"Lamp",{A}\n4,"a lamp\nof brass",{A}\n')
    assert [(each.problem_column, each.problem) for each in found] == [
        ("name", "This cell goes on for 3 lines, with addresses: a quote may be missing."),
        ("", ""),
    ]
    found = checked(f'{",".join(HEADER)}\n1,Mug,"{A}\n2,Tote,"{A}"\n')
    assert found[0].problem_code == "invalid_image_url"


def test_ten_megabytes_in_a_cell_harm_no_other_row() -> None:
    found = checked(text([HEADER, ["1", "a", A], ["2", "x" * 10_000_000, A], ["3", "c", A]]))
    assert [each.problem for each in found] == [
        "", "This cell has 10,000,000 characters; at most 32,767 are read.", "",
    ]  # fmt: skip
    assert (found[1].problem_column, len(found[1].name)) == ("name", 300)


def test_what_a_database_refuses_is_cleaned() -> None:
    reading = Reading("utf-8", ",", HEADER, {"serial": 0, "name": 1, "urls": 2})
    found = Checker(reading, frozenset()).check(Line(2, ["1\0", "a\x07b" + "c" * 400, "http://\0/"]))
    assert (found.serial, found.name, found.urls) == ("1", f"a b{'c' * 297}", ["http:// /"])
    assert found.problem_code == "invalid_image_url"


def test_marks_that_turn_text_round_are_not_shown() -> None:
    row = checked(text([HEADER, ["1\u202e", "Mu\u2066g \u05d0\u200f", A]]))[0]
    assert (row.serial, row.name) == ("1", "Mug \u05d0")


def test_the_model_has_room_for_what_is_said() -> None:
    room = [ProductRow._meta.get_field(name).max_length for name in ("serial", "name", "problem")]  # type: ignore[union-attr]
    assert room == [product_csv.MAX_SERIAL, product_csv.MAX_NAME, product_csv.MAX_PROBLEM]


# ---- our own files come back -----------------------------------------------------------------------------------------

DETAILS = ["Output Image Urls", "Status", "Error", "Width", "Height", "Bytes", "SHA256"]


def test_what_was_completed_is_carried_and_has_no_problem() -> None:
    done = ["https://photos.example.com/links/x/mug.jpg", "Completed", "", "80", "60", "1234", "ab"]
    rows = [["1", "Mug", "gone", *done], ["2", "Tote", A, "", "failed", "It is a web page.", "", "", "", ""]]
    found = checked(text([[*HEADER, *DETAILS], *rows]))
    assert found[0] == Checked("1", "Mug", ["gone"], carried=dict(zip(DETAILS, done, strict=True)))
    assert found[1] == Checked("2", "Tote", [A])


def test_own_columns_are_known_and_can_be_taken_off() -> None:
    header = ["Status", *HEADER, "Output Image Urls", "Status", "Error", "Checked by"]
    reading = Reading("utf-8", ",", header, {"serial": 1, "name": 2, "urls": 3})
    assert reading.own_columns == {"Output Image Urls": 4, "Status": 5, "Error": 6}
    assert reading.base(header) == ["Status", *HEADER, "Checked by"]


def test_a_status_of_the_shop_itself_is_none_of_ours() -> None:
    header = [*HEADER, "Status"]
    assert checked(text([header, ["1", "Mug", "", "completed"]]))[0].problem == "This row has no address."
    assert read(file(text([header, ["1"]]))).own_columns == {}


def test_an_output_column_that_is_read_as_input_is_a_column_like_others() -> None:
    source = file(text([[*HEADER, "Output Image Urls", "Status"], ["1", "Mug", "x", A, "completed"]]))
    reading = read_as(source, encoding="utf-8", delimiter=",", columns={"serial": 0, "name": 1, "urls": 3})
    (line,) = lines(source, reading)
    assert Checker(reading, frozenset()).check(line) == Checked("1", "Mug", [A])
    assert reading.base(line.cells) == line.cells


def test_a_guarded_cell_is_read_back_without_its_guard_in_our_own_files_alone() -> None:
    rows = [[*HEADER, "'=note"], ["1", "'=1+1", A, "'tis"]]
    foreign, ours = file(text(rows)), file(text([[*row, "Output Image Urls"] for row in rows]))
    (line,) = lines(foreign, read(foreign))
    assert (read(foreign).header[3], line.cells[1]) == ("'=note", "'=1+1")
    (line,) = lines(ours, read(ours))
    assert (read(ours).header[3], line.cells[1], line.cells[3]) == ("=note", "=1+1", "'tis")
