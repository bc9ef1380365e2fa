"""Whatever is typed, sent or written into our own parsers: understood, or refused with one of our codes."""

import io
import json
import socket
from contextlib import suppress
from ipaddress import IPv6Address
from typing import Any

import httpx
import pytest
from hypothesis import strategies as st
from pydantic import ValidationError

from processing import guard, header, recipe
from processing.errors import PhotoError
from processing.intake import csv_file, names, product_columns, product_csv
from processing.intake.product_csv import Checker
from processing.recipe import Recipe
from tests.hostile.budget import fuzzed
from tests.hostile.fate import quick

NOBODY: guard.Allow = frozenset()

# ---- recipe ----------------------------------------------------------------------------------------------------------

# What JSON can say, NaN and half characters among it, and numbers and texts near to what a field takes.
written = st.text(st.characters(), max_size=12) | st.from_regex(r"(?a)[#x×:.%,0-9a-z\s-]{0,12}")
numbers = st.integers() | st.floats() | st.sampled_from([10**30, -(10**4000), 2**63, 0.1, 1e308])
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | numbers | written,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(written, inner, max_size=3),
    max_leaves=6,
)
fields = st.sampled_from([*Recipe.model_fields]) | st.text(st.characters(exclude_categories=["Cs"]), max_size=9)


@fuzzed(60, asked=st.dictionaries(fields, values, max_size=4))
def test_whatever_is_asked_is_a_recipe_or_is_refused_in_sentences(asked: dict[str, Any]) -> None:
    try:
        made = Recipe(**asked)
    except ValidationError as error:
        assert all(said for _, said in recipe.problems(error))  # noqa: PT017
        made, _ = recipe.fitting(asked)
    kept = json.loads(json.dumps(made.to_json(), allow_nan=False))
    assert Recipe(**kept) == made
    assert 0 <= made.margin(1000) < 10_000
    assert all(side is None or 1 <= side <= recipe.MOST_SIDE for side in made.box)
    assert all(1 <= side <= recipe.MOST_SIDE for size in made.extra_sizes.values() for side in size)


# ---- CSV -------------------------------------------------------------------------------------------------------------

line_parts = st.sampled_from([
    "S. No.", "Product Name", "Input Image Urls", "Output Image Urls", "Status", "sep=;", "https://example.com/a.jpg",
    "https://", "www.", "http://10.0.0.1/", ",", ";", "\t", "|", '"', '""', "'", "\r", "\n", "\r\n", "\ufeff",
    "\u2028", "\x0b", "\x0c", "\x1a",
    "\x85", "=1+1", " ",
])  # fmt: skip
sheets = st.lists(line_parts | st.text(max_size=4), max_size=40).map("".join)
HEADER = "S. No.,Product Name,Input Image Urls\n"
encoded = st.builds(
    lambda text, encoding, bom: (("\ufeff" if bom else "") + text).encode(encoding, "replace"),
    sheets | sheets.map(HEADER.__add__),
    st.sampled_from(["utf-8", "utf-16-le", "utf-16-be", "cp1252", "cp1251", "utf-7", "utf-32"]),
    st.booleans(),
)


@fuzzed(150, data=encoded | st.binary(max_size=200) | st.binary(max_size=60).map(HEADER.encode().__add__))
def test_whatever_is_sent_as_a_csv_is_read_line_by_line_or_refused(data: bytes) -> None:
    source = io.BytesIO(data)
    with suppress(PhotoError):
        reading = product_csv.read(source)
        checker, lines = Checker(reading, NOBODY), product_csv.lines(source, reading)
        for line in lines:
            assert len(line.cells) == len(reading.header)
            found = checker.check(line)
            assert "\0" not in found.serial + found.name + found.problem
            json.dumps([found.serial, found.name, found.urls]).encode()
            assert bool(found.problem) == bool(found.problem_code)
        assert list(product_csv.lines(source, reading)) == list(product_csv.lines(source, reading))
        assert csv_file.encode(csv_file.opening(source, reading.encoding), reading.encoding) in data


# ---- addresses -------------------------------------------------------------------------------------------------------

address_parts = st.sampled_from([
    "http://", "https://", "//", "/", "\\", "@", ":", "#", "?", "[", "]", "::1", "::ffff:127.0.0.1", "127.0.0.1",
    "0x7f", "0177", "1", "127.1", "2130706433", "①", "。", "．", "localhost", "example.com", ".",
    "%31", "%2e", "%00", "xn--", "ß",
    "\u200b", "\u2100", ":80", ":443", ":0", "64:ff9b::7f00:1", "%25eth0", "\u0660", " ", "\t", "\n", "fe80::1", "a",
])  # fmt: skip
addresses = st.lists(address_parts, max_size=8).map("".join) | st.text(max_size=30)


@fuzzed(250, address=addresses | addresses.map("http://".__add__))
def test_an_address_that_passes_is_of_the_public_however_it_is_written(address: str) -> None:
    try:
        found = guard.check(address, NOBODY)
    except PhotoError as error:
        assert error.code in ("invalid_image_url", "fetch_blocked_address")  # noqa: PT017
        return
    assert guard.check(found.url, NOBODY) == found
    assert guard.suggestion(address)
    with suppress(OSError):  # a name
        assert guard.is_public(socket.inet_ntoa(socket.inet_aton(found.host)))
    with suppress(httpx.InvalidURL):  # and so is never asked
        url = httpx.URL(found.url)
        assert guard.check(str(url), NOBODY)[1:] == found[1:]
        assert url.raw_host.decode().strip("[]") == found.host
        assert (url.port or guard.SCHEMES[url.scheme]) == found.port


@fuzzed(200, number=st.integers(0, 2**128 - 1) | st.integers(0, 2**32 - 1).map((0x64FF9B << 96).__add__))
def test_no_number_is_public_that_holds_a_private_one(number: int) -> None:
    address = IPv6Address(number)
    for inner in (address.ipv4_mapped, address.sixtofour, *(address.teredo or ())):
        if inner and not guard.is_public(str(inner)):
            assert not guard.is_public(str(address))
    if guard.is_public(str(address)):
        assert address.is_global or address.ipv4_mapped or address in guard.NAT64


# ---- names and first bytes -------------------------------------------------------------------------------------------


@fuzzed(
    300,
    given=st.lists(
        st.text(max_size=20)
        | st.text(max_size=3).map(lambda text: 60 * text)
        | st.from_regex(r"(con|aux|a)?\.{0,3}[/\\]?"),
        max_size=6,
    ),
)
def test_whatever_a_file_is_called_it_gets_a_name_that_can_be_saved(given: list[str]) -> None:
    house = names.Names()
    made = [house.give(name) for name in given]
    assert len({name.casefold() for name in made}) == len(made)
    for name in made:
        assert 0 < len(name) <= names.MAX_CHARACTERS
        assert len(name.encode()) <= names.MAX_BYTES
        assert not set(name) & set('/\\<>:"|?*\0')
        assert names.clean(name) == name


@pytest.mark.parametrize("name", ["\xa0ࠀ" * 60, "a\xa0.", ". \u2003a .\u3000.jpg"])
def test_a_name_that_was_cleaned_is_clean(name: str) -> None:
    assert names.clean(names.clean(name)) == names.clean(name)


def test_marks_by_the_hundred_thousand_are_not_put_in_order() -> None:
    """That would take minutes in which the process does nothing else."""
    marks = "a" + "\u0301" * 100_000 + "\u0316" * 100_000
    with quick(1):
        names.clean(marks)
        product_columns.plain(marks)


def test_dots_by_the_thousand_are_cut_off_at_once() -> None:
    """A ZIP may have 10,000 names of this kind, and they are given while the job's row is held."""
    with quick(0.3):
        for _ in range(200):
            names.clean("a" + "." * 1015 + "a.png")


@fuzzed(300, data=st.binary(max_size=100) | st.sampled_from([b"GIF89a", b"BM", b"\xff\xd8\xff", b"II*\0"]).flatmap(
    lambda start: st.binary(max_size=100).map(start.__add__)
))  # fmt: skip
def test_whatever_the_first_bytes_are_they_are_a_format_or_none(data: bytes) -> None:
    found = header.sniff(data)
    assert header.is_photo(data) == (found in header.FORMATS)
    with suppress(PhotoError):
        header.judge(io.BytesIO(data), len(data), header.Limits(10**7, 1, 4096))
