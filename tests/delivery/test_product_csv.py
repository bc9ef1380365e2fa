"""A product CSV comes back: the bytes that came, and the addresses of what became of its photos."""

import codecs
import csv
import gc
import io
import tracemalloc
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile

from processing import ledger, storage
from processing.delivery import links, product_csv
from processing.errors import PhotoError
from processing.intake import products
from processing.models import Job, OutputLinks, ProductRow, Upload, Variant
from processing.spreadsheet import DETAILS, OUTPUT, RUNS
from tests import make
from tests.delivery import made

HEADER = "S. No.,Product Name,Input Image Urls"
ADDRESS = "https://img.example.com/1.jpg"


def accept(alice: User, content: str | bytes, encoding: str = "utf-8", *, start: bool = True) -> Job:
    data = content if isinstance(content, bytes) else content.encode(encoding)
    job = products.accept(alice, SimpleUploadedFile("spring.csv", data), products.DEFAULT)
    if start:
        products.start(job)
    job.refresh_from_db()
    return job


def exported(job: Job, *, details: bool = False) -> bytes:
    async def gather(chunks: Any) -> bytes:
        return b"".join([piece async for piece in chunks])

    file = product_csv.csv_of(Job.objects.get(pk=job.pk), details=details)
    try:
        return async_to_sync(gather)(file.chunks)
    finally:
        file.chunks.close()


def rows(content: bytes, encoding: str = "utf-8", delimiter: str = ",") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(encoding), newline=""), delimiter=delimiter))


def complete(job: Job) -> dict[str, str]:
    """Finishes every photo; gives its output address by the address that it came from."""
    found, addresses = links.of(job), {}
    assert found
    for upload in job.uploads.filter(status="new"):
        Upload.objects.filter(pk=upload.pk).update(status="completed")
        result = made.variant(upload, "result", b"result", "jpg")
        Variant.objects.filter(pk=result.pk).update(width=80, height=60)
        addresses[upload.url] = links.address(found, upload.pk, upload.name, "result", "jpg")
    return addresses


# ---- what is in it -------------------------------------------------------------------------------------------------


def test_each_row_has_the_addresses_of_its_photos_in_order(anywhere: str, alice: User) -> None:
    job = make.products(
        alice, [["https://a.example.com/2.jpg", "https://a.example.com/1.jpg"], ["https://a.example.com/1.jpg"]]
    )
    links.make(job)
    at = complete(job)
    first, second = rows(exported(job))
    assert first[OUTPUT] == f"{at['https://a.example.com/2.jpg']},{at['https://a.example.com/1.jpg']}"
    assert second[OUTPUT] == at["https://a.example.com/1.jpg"]
    assert list(first) == ["S. No.", "Product Name", "Input Image Urls", OUTPUT]


def test_what_is_not_done_has_no_address_yet(alice: User) -> None:
    job = make.products(alice, 1, photos=4)
    links.make(job)
    first, second, third, _ = job.uploads.order_by("position")
    make.finish(make.bring(first))
    make.finish(make.bring(third))
    ledger.cancel(Upload.objects.filter(pk=second.pk))
    found = rows(exported(job, details=True))[0]
    assert [url.rpartition("_")[2] for url in found[OUTPUT].split(",")] == ["photo-0.jpg", "photo-2.jpg"]
    assert found["Status"] == "processing"
    assert found["Error"] == "Photo 2: Cancelled."


def test_a_photo_with_several_results_has_an_address_for_each(alice: User) -> None:
    job = make.products(alice, 1)
    links.make(job)
    complete(job)
    for number in (10, 2):
        made.variant(job.uploads.get(), f"result-{number}", b"face", "png")
    for other in ("thumbnail", "preview", "source-thumbnail", "web"):
        made.variant(job.uploads.get(), other, b"small", "webp")
    urls = rows(exported(job))[0][OUTPUT].split(",")
    assert [url.rpartition("/")[2] for url in urls] == [
        "processed_photo-0.jpg", "processed_photo-0-2.png", "processed_photo-0-10.png",
    ]  # fmt: skip


def test_the_details_say_what_became_of_each_row(alice: User) -> None:
    job = make.products(alice, 5)
    links.make(job)
    done, failed, *_ = job.uploads.order_by("position")
    make.finish(make.bring(done))
    Upload.objects.filter(pk=failed.pk).update(status="failed", error_message="No face was found.")
    at = job.rows.order_by("position")
    ProductRow.objects.filter(pk=at[2].pk).update(is_left_out=True)
    ProductRow.objects.filter(pk=at[3].pk).update(problem_code="csv_bad_row", problem="No address.")
    found = rows(exported(job, details=True))
    assert [(row["Status"], row["Error"]) for row in found] == [
        ("completed", ""), ("failed", "No face was found."), ("cancelled", ""), ("failed", "No address."),
        ("queued", ""),
    ]  # fmt: skip
    result = Variant.objects.get(name="result")
    numbers = ("80", "60", str(result.bytes), result.sha256)
    assert tuple(found[0][name] for name in DETAILS[2:]) == numbers
    assert all(row[name] == "" for row in found[1:] for name in (OUTPUT, *DETAILS[2:]))


def test_the_numbers_of_several_photos_stand_in_their_order(alice: User) -> None:
    job = make.products(alice, 1, photos=3)
    links.make(job)
    complete(job)
    for upload in job.uploads.all():
        upload.variants.update(width=100 + upload.position)
    lost = job.uploads.get(position=1)
    lost.variants.all().delete()
    Upload.objects.filter(pk=lost.pk).update(status="failed", error_message="It is gone.")
    found = rows(exported(job, details=True))[0]
    assert (found["Width"], found["Height"], found["Error"]) == ("100;102", "60;60", "Photo 2: It is gone.")


def test_a_draft_has_no_outputs(alice: User) -> None:
    job = accept(alice, f"{HEADER}\r\n1,Shoe,{ADDRESS}\r\n2,Cup,\r\n", start=False)
    plain, found = rows(exported(job)), rows(exported(job, details=True))
    assert [row[OUTPUT] for row in plain] == ["", ""]
    assert [row["Status"] for row in found] == ["new", "failed"]
    assert found[1]["Error"] == job.rows.get(position=1).problem != ""


@pytest.mark.parametrize("end", ["revoked_at", "expires_at"])
def test_without_active_links_the_cells_are_empty(alice: User, end: str) -> None:
    job = make.products(alice, 1)
    links.make(job)
    complete(job)
    OutputLinks.objects.update(**{end: job.created_at})
    found = rows(exported(job, details=True))[0]
    assert (found[OUTPUT], found["Status"], found["Width"]) == ("", "completed", "80")


def test_a_mended_cell_replaces_the_one_that_came(alice: User) -> None:
    job = accept(alice, f"{HEADER},Price\r\n1,Shoe,htp:/x,9\r\n2,Cup,{ADDRESS},8\r\n", start=False)
    products.mend(job.rows.get(position=0), "urls", "https://img.example.com/0.jpg")
    assert (
        exported(job)
        == (f"{HEADER},Price,{OUTPUT}\r\n1,Shoe,https://img.example.com/0.jpg,9,\r\n2,Cup,{ADDRESS},8,\r\n").encode()
    )


def test_the_number_of_queries_hangs_on_the_pieces(
    alice: User, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    monkeypatch.setattr(product_csv, "ROWS", 10)
    for count, pieces in ((2, 1), (10, 1), (11, 2)):
        job = make.products(alice, count)
        with django_assert_num_queries(3 + 2 * pieces):
            assert len(rows(exported(job, details=True))) == count


def test_memory_stays_flat(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(product_csv, "ROWS", 20)

    def peak(job: Job) -> int:
        file = product_csv.csv_of(job, details=True)
        gc.collect()
        tracemalloc.start()
        async_to_sync(drain)(file.chunks)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak

    async def drain(chunks: Any) -> None:
        async for _ in chunks:
            pass

    few, many = (make.products(alice, count, photos=20, is_draft=True) for count in (40, 320))
    peak(few)
    assert peak(many) < 1.8 * peak(few)


def test_a_file_that_is_gone_is_said_at_once(alice: User) -> None:
    job = make.products(alice, 1)
    storage.delete([job.product_csv.key])
    with pytest.raises(PhotoError) as caught:
        product_csv.csv_of(job, details=False)
    assert caught.value.code == "original_missing"


@pytest.mark.parametrize(
    ("name", "filename"),
    [("spring.csv", "spring-processed.csv"), ("spring-details (1).csv", "spring-processed.csv"),
     ("../a b.tsv", "a b-processed.csv"), ("", "photo-processed.csv"), ("C:\\x\\Größe.CSV", "Größe-processed.csv")],
)  # fmt: skip
def test_it_is_named_after_what_came(alice: User, name: str, filename: str) -> None:
    file = product_csv.csv_of(make.products(alice, 1, name=name), details=False)
    file.chunks.close()
    assert file.filename == filename


def test_details_have_a_name_of_their_own(alice: User) -> None:
    file = product_csv.csv_of(make.products(alice, 1, name="spring-processed.csv"), details=True)
    file.chunks.close()
    assert file.filename == "spring-details.csv"


# ---- byte for byte -------------------------------------------------------------------------------------------------

ODD = [
    f'1,"Said ""no"", twice",{ADDRESS}',
    '2,"two\r\nlines, and\nthree","https://img.example.com/a.jpg,https://img.example.com/b+c.jpg?x=1&y=+2"',
    "3,'=1+1,https://img.example.com/3.jpg",
    "4,a+b - c = d @ e,https://img.example.com/4.jpg",
    "5, spaces kept  ,https://img.example.com/5.jpg",
]
SCRIPTS = ["6,Ёлка ☃ 🛍️ \u202e,https://img.example.com/6.jpg", "7,鞋 ﷽,https://img.example.com/7.jpg"]
WESTERN = ["8,Größe 9½ – “x” €,https://img.example.com/8.jpg"]
ENCODINGS = {
    "utf-8": (b"", "utf-8", ODD + SCRIPTS),
    "utf-8 with BOM": (codecs.BOM_UTF8, "utf-8", ODD + SCRIPTS),
    "utf-16 le with BOM": (codecs.BOM_UTF16_LE, "utf-16-le", ODD + SCRIPTS),
    "utf-16 be with BOM": (codecs.BOM_UTF16_BE, "utf-16-be", ODD + SCRIPTS),
    "cp1252": (b"", "cp1252", ODD + WESTERN),
}


def table(lines: list[str], delimiter: str) -> str:
    """Minimally quoted, CRLF: with another delimiter other cells need quotes."""
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter).writerows(csv.reader(io.StringIO("\r\n".join(lines), newline="")))
    return out.getvalue()


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("name", ENCODINGS)
def test_all_that_came_goes_back_byte_for_byte(alice: User, name: str, delimiter: str) -> None:
    mark, encoding, lines = ENCODINGS[name]
    came = table([HEADER, *lines], delimiter)
    job = accept(alice, mark + came.encode(encoding))
    at = complete(job)
    assert links.of(job)
    added = [",".join(at[url] for url in row.urls) for row in job.rows.order_by("position")]
    assert all(added)
    whole = list(csv.reader(io.StringIO(came, newline=""), delimiter=delimiter))
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter).writerows(
        [*cells, new] for cells, new in zip(whole, [OUTPUT, *added], strict=True)
    )
    assert exported(job) == mark + out.getvalue().encode(encoding)
    OutputLinks.objects.all().delete()
    bare = exported(job).decode(encoding).removeprefix("\ufeff")
    assert bare.replace(f"{delimiter}\r\n", "\r\n").replace(f"{delimiter}{OUTPUT}\r\n", "\r\n") == came


def test_excels_first_line_goes_back_too(alice: User) -> None:
    came = f"sep=;\r\n{HEADER.replace(',', ';')}\r\n1;Mug;{ADDRESS}\r\n"
    job = accept(alice, came, "cp1252")
    (output,) = complete(job).values()
    sep, header, row = exported(job).decode().splitlines()
    assert (sep, header, row) == ("sep=;", f"{HEADER.replace(',', ';')};{OUTPUT}", f"1;Mug;{ADDRESS};{output}")


def test_a_shops_own_status_after_other_columns_stays_its_own(alice: User) -> None:
    job = accept(alice, f"{HEADER},{OUTPUT},Colour,Status\r\n1,Mug,{ADDRESS},old,teal,completed\r\n")
    (output,) = complete(job).values()
    assert rows(exported(job))[0] == {
        "S. No.": "1", "Product Name": "Mug", "Input Image Urls": ADDRESS, "Colour": "teal", "Status": "completed",
        OUTPUT: output,
    }  # fmt: skip


def test_a_column_of_an_earlier_export_is_written_anew_at_the_end(alice: User) -> None:
    job = accept(alice, f"{HEADER},{OUTPUT},Price\r\n1,Shoe,{ADDRESS},https://old.example.com/1.jpg,9\r\n")
    new = complete(job)[ADDRESS]
    assert exported(job) == f"{HEADER},Price,{OUTPUT}\r\n1,Shoe,{ADDRESS},9,{new}\r\n".encode()


@pytest.mark.parametrize("name", ENCODINGS)
def test_the_details_sent_again_are_byte_for_byte_the_same(alice: User, name: str) -> None:
    mark, encoding, lines = ENCODINGS[name]
    first = accept(alice, mark + table([HEADER, *lines, "9,Later,https://img.example.com/9.jpg"], ",").encode(encoding))
    Upload.objects.filter(url__endswith="/9.jpg").update(status="failed", error_message="It is not there.")
    complete(first)
    details = exported(first, details=True)
    second = accept(alice, details)
    assert second.uploads.count() == 1
    again = exported(second, details=True)
    *done, failed = details.decode(encoding).splitlines(keepends=True)
    assert failed.split(",")[4:6] == ["failed", "It is not there."]
    assert again.decode(encoding).startswith("".join(done))
    complete(second)
    assert [row["Status"] for row in rows(exported(second, details=True).removeprefix(mark), encoding)] == (
        ["completed"] * (len(lines) + 1)
    )


# ---- letters that the encoding lacks -------------------------------------------------------------------------------


def western(alice: User) -> Job:
    return accept(alice, f"{HEADER}\r\n1,Größe,{ADDRESS}\r\n", "cp1252")


def test_a_mended_cell_that_the_code_page_lacks_makes_it_utf_8(alice: User) -> None:
    job = western(alice)
    assert exported(job).decode("cp1252")[:50].startswith(HEADER)
    products.mend(job.rows.get(), "name", "Ёлка")
    for details in (False, True):
        content = exported(job, details=details)
        assert content.startswith(codecs.BOM_UTF8)
        assert rows(content, "utf-8-sig")[0]["Product Name"] == "Ёлка"


def test_a_reason_that_the_code_page_lacks_matters_to_the_details_alone(alice: User) -> None:
    job = western(alice)
    Upload.objects.update(status="failed", error_message="It says Ё.")
    assert rows(exported(job), "cp1252")[0]["Product Name"] == "Größe"
    assert rows(exported(job, details=True), "utf-8-sig")[0]["Error"] == "It says Ё."


def test_a_letter_that_the_code_page_has_changes_nothing(alice: User) -> None:
    job = western(alice)
    products.mend(job.rows.get(), "name", "Maß – 5 €")
    assert rows(exported(job, details=True), "cp1252")[0]["Product Name"] == "Maß – 5 €"


# ---- nothing runs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("details", [False, True])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_no_cell_runs_in_a_spreadsheet(alice: User, delimiter: str, details: bool) -> None:
    evil = [f"{first}cmd|'/c calc'!A1" for first in RUNS]
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter).writerows(
        [[*HEADER.split(","), "=HEADER()", "\tlate"]]
        + [[text, text, f"https://img.example.com/{at}.jpg", text, text] for at, text in enumerate(evil)]
    )
    job = accept(alice, out.getvalue())
    Upload.objects.update(status="failed", error_message='=HYPERLINK("https://evil.example.com")')
    upload = job.uploads.get(position=0)
    Upload.objects.filter(pk=upload.pk).update(name="=1+1,+2.jpg", status="completed")
    made.variant(upload, "result", b"result", "jpg")
    ProductRow.objects.filter(position=1).update(mended=["+1", "-1", "@x", "=y", "\rz"], problem="=Z()")
    ProductRow.objects.filter(position=2).update(carried={OUTPUT: "=A1", "Status": "+completed", "Error": "@x"})
    read = list(csv.reader(io.StringIO(exported(job, details=details).decode(), newline=""), delimiter=delimiter))
    assert len(read) == len(RUNS) + 1
    assert [cell for line in read for cell in line if cell.startswith(RUNS)] == []
    assert read[0][3:5] == ["'=HEADER()", "'\tlate"]
    assert read[2][:5] == ["'+1", "'-1", "'@x", "'=y", "'\rz"]
    assert read[-1][0] == f"'{evil[-1]}"
