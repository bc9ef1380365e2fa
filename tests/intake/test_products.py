"""A product CSV from the door to Start, and what people change in it before and after."""

import threading
import tracemalloc
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.core.files import File
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from pytest_django.fixtures import Settings

from processing import housekeeping, ledger, product_rows, storage
from processing.delivery import links, product_csv
from processing.errors import PhotoError
from processing.intake import photos, products, row_photos
from processing.intake.preflight import A_PHOTO
from processing.intake.row_photos import Photos
from processing.models import Callback, Job, ProductRow, Receipt, Status, Upload
from processing.recipe import Recipe
from tests import make
from tests.intake.packing import files_on_disk

pytestmark = pytest.mark.django_db

HEADER = "S. No.,Product Name,Input Image Urls"
A, B, C = (f"https://img.example.com/{name}.jpg" for name in "abc")


def table(*lines: str, header: str = HEADER) -> bytes:
    return "".join(f"{line}\r\n" for line in (header, *lines)).encode()


def sent(*lines: str, header: str = HEADER) -> SimpleUploadedFile:
    return SimpleUploadedFile("spring.csv", table(*lines, header=header))


def draft(owner: User, *lines: str, **options: Any) -> Job:
    return products.accept(owner, sent(*lines), products.DEFAULT, **options)


def row_of(job: Job, line: int) -> ProductRow:
    return job.rows.get(line=line)


def problems(job: Job) -> dict[int, str]:
    bad = job.rows.filter(product_rows.HAS_PROBLEM).order_by("line")
    return {row.line: f"{row.problem_column}: {row.problem_code}" for row in bad}


def photos_of(row: ProductRow) -> list[str]:
    return list(row.row_photos.order_by("position").values_list("upload__url", flat=True))


def refused(code: str, act: Callable[..., Any], *args: Any, **options: Any) -> bool:
    with pytest.raises(PhotoError) as found:
        act(*args, **options)
    return found.value.code == code


# ---- the door ------------------------------------------------------------------------------------------------------


def test_a_csv_becomes_a_draft_in_which_nothing_runs(alice: User) -> None:
    job = draft(alice, f"1,Mug,{A}", "", f'2,"Tote, navy","{B}, {C}"', "3,Lamp,htp://x")
    assert (job.owner, job.name, job.is_draft, job.deleted_at) == (alice, "spring.csv", True, None)
    assert Recipe(**job.recipe) == products.DEFAULT
    csv = job.product_csv
    assert (csv.name, csv.encoding, csv.delimiter, csv.skipped) == ("spring.csv", "utf-8", ",", 1)
    assert (csv.header, csv.columns) == (HEADER.split(","), {"serial": 0, "name": 1, "urls": 2})
    rows = job.rows.order_by("position").values_list("line", "serial", "name", "urls")
    assert list(rows) == [(2, "1", "Mug", [A]), (4, "2", "Tote, navy", [B, C]), (5, "3", "Lamp", ["htp://x"])]
    assert problems(job) == {5: "urls: invalid_image_url"}
    assert not Upload.objects.exists()


def test_the_file_is_kept_as_it_came(alice: User) -> None:
    data = "\ufeffS. No.;Product Name;Input Image Urls\n1;Кружка;https://img.example.com/a.jpg".encode("utf-16-le")
    job = products.accept(alice, SimpleUploadedFile("весна.csv", data), products.DEFAULT)
    assert storage.read(job.product_csv.key) == data
    assert (job.name, row_of(job, 2).name) == ("весна.csv", "Кружка")


def test_the_same_key_gives_the_first_draft_again(alice: User) -> None:
    jobs = {draft(alice, f"1,Mug,{A}", key="k") for _ in range(2)}
    assert len(jobs) == Job.objects.count() == Receipt.objects.count() == 1


def test_what_the_key_gave_for_photos_is_no_csv(alice: User) -> None:
    photos.accept(alice, [SimpleUploadedFile("photo.jpg", b"text")], make.PLAIN, key="k")
    assert draft(alice, f"1,Mug,{A}", key="k").product_csv


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "csv_unreadable"),
        (table(header="S. No.,Name of it,Where"), "csv_bad_header"),
        (table(f"1,Mug,{A}", f"2,Mug,{B}", f"3,Mug,{C}"), "csv_too_long"),  # which shows in the midst of the rows
        (table('1,"Mug,' + A), "csv_unreadable"),
    ],
)
def test_what_is_refused_leaves_nothing_behind(alice: User, settings: Settings, data: bytes, code: str) -> None:
    settings.MAX_CSV_ROWS = 2
    assert refused(code, products.accept, alice, SimpleUploadedFile("a.csv", data), products.DEFAULT, key="k")
    assert not Job.objects.exists()
    assert not Receipt.objects.exists()
    assert not files_on_disk()


def test_who_is_to_be_told_is_judged_with_the_file(alice: User) -> None:
    job = draft(alice, f"1,Mug,{A}", callback_url="https://shop.example.com/done")
    assert Callback.objects.get().job == job
    assert refused("fetch_blocked_address", draft, alice, f"1,Mug,{A}", callback_url="http://10.0.0.1/done")
    assert Job.objects.get() == job


def test_a_recipe_that_cannot_run_here_is_refused(alice: User) -> None:
    lost = Recipe(remove_bg=False, background=f"image:{'0' * 64}")
    assert refused("background_missing", products.accept, alice, sent(f"1,Mug,{A}"), lost)
    job = draft(alice, f"1,Mug,{A}")
    assert refused("background_missing", products.set_recipe, job, lost)
    products.set_recipe(job, make.PLAIN)
    job.refresh_from_db()
    assert Recipe(**job.recipe) == make.PLAIN


def test_memory_does_not_grow_with_the_file(alice: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_photos, "AT_ONCE", 100)

    def peak(rows: int) -> int:
        lines = (f"{number},{'x' * 250},https://img.example.com/{number}.jpg" for number in range(rows))
        (tmp_path / "big.csv").write_bytes(table(*lines))
        with (tmp_path / "big.csv").open("rb") as content:
            tracemalloc.start()
            products.accept(alice, File(content, "big.csv"), products.DEFAULT)
            _, most = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        return most

    peak(400)  # what is cached once does not count
    assert peak(700) - peak(400) < 100_000  # bytes; the rows of 300 more lines are several times that


def test_it_can_be_read_in_another_way(alice: User) -> None:
    job = products.accept(alice, sent(f"1,a,{A},{B}", header="id,title,image,image 2"), products.DEFAULT)
    mended = products.mend(row_of(job, 2), "name", "Mug")
    columns = {"serial": 1, "name": 0, "urls": 3}
    products.read_again(job, encoding="cp1252", delimiter=",", columns=columns)
    row = job.rows.get()
    assert (row.serial, row.name, row.urls, row.mended) == ("a", "1", [B], None)
    job.product_csv.refresh_from_db()
    assert (job.product_csv.encoding, job.product_csv.columns) == ("cp1252", columns)
    assert row != mended


def test_what_cannot_be_read_so_stays_as_it_was_read(alice: User) -> None:
    job = draft(alice, f"1,Mug,{A}")
    for wrong in ({"encoding": "utf-16-le", "delimiter": ","}, {"encoding": "utf-8", "delimiter": ";"}):
        assert refused("csv_unreadable", products.read_again, job, columns=None, **wrong)
    assert row_of(job, 2).name == "Mug"


# ---- mending before Start -------------------------------------------------------------------------------------------


def test_a_mended_cell_is_checked_again_and_can_be_undone(alice: User) -> None:
    job = draft(alice, "1,Lamp,htp://x", f"2,Mug,{A}")
    row = products.mend(row_of(job, 2), "urls", f"{A} {B}")
    assert (row.urls, row.problem_code, row.mended) == ([A, B], "", ["1", "Lamp", f"{A} {B}"])
    row = products.mend(row, "name", "Lamp, brass")
    assert (row.name, row.urls) == ("Lamp, brass", [A, B])
    assert products.mend(row, "urls", "").problem == "This row has no address."
    row = products.undo(row)
    assert (row.name, row.urls, row.mended) == ("Lamp", ["htp://x"], None)
    assert problems(job) == {2: "urls: invalid_image_url"}
    assert storage.read(job.product_csv.key) == table("1,Lamp,htp://x", f"2,Mug,{A}")


def test_a_text_that_no_cell_has_room_for_is_not_kept(alice: User) -> None:
    row = row_of(draft(alice, f"1,Mug,{A}"), 2)
    assert refused("csv_bad_row", products.mend, row, "name", "a" * 32_768)
    assert row_of(row.job, 2).mended is None


def test_a_mended_serial_number_frees_the_other_row(alice: User) -> None:
    job = draft(alice, f"7,Mug,{A}", f"8,Tote,{B}", f"7,Lamp,{C}")
    assert problems(job) == {4: "serial: csv_bad_row"}
    products.mend(row_of(job, 2), "serial", "8")  # now lines 2 and 3 are at odds
    assert problems(job) == {3: "serial: csv_bad_row"}
    assert row_of(job, 3).problem == "Line 2 has serial number 8 too."
    products.undo(row_of(job, 2))
    assert problems(job) == {4: "serial: csv_bad_row"}
    products.mend(row_of(job, 4), "serial", "9")
    assert problems(job) == {}


def test_rows_are_left_out_and_put_back(alice: User) -> None:
    job = draft(alice, "1,Lamp,htp://x", f"2,Mug,{A}", "3,Tote,")
    bad = job.rows.filter(product_rows.HAS_PROBLEM)
    assert [products.leave_out(bad, yes) for yes in (True, True, False, True)] == [2, 0, 2, 2]
    assert products.preflight(job).left_out == 2
    products.undo(row_of(job, 2))
    products.mend(row_of(job, 4), "urls", B)  # whoever mends a row wants it
    assert not job.rows.filter(is_left_out=True).exists()
    assert products.leave_out(ProductRow.objects.none(), True) == 0


def test_of_two_with_one_serial_number_either_can_be_left_out(alice: User) -> None:
    job = draft(alice, f"7,Mug,{A}", f"7,Lamp,{C}")
    products.leave_out(job.rows.filter(line=2), True)
    assert problems(job) == {}
    products.leave_out(job.rows.filter(line=2), False)
    assert problems(job) == {3: "serial: csv_bad_row"}


# ---- before and at Start --------------------------------------------------------------------------------------------


def test_the_preflight_adds_up(alice: User, settings: Settings) -> None:
    settings.WORKERS = 1
    job = draft(alice, f"1,Mug,{A}", f'2,Tote,"{A},{B},https://cdn.example.org/x"', f"2,Lamp,{C}", f"4,Rug,{C}", "")
    products.leave_out(job.rows.filter(line=5), True)
    found = products.preflight(job)
    assert (found.rows, found.ready, found.problems, found.left_out, found.carried) == (4, 2, 1, 1, 0)
    assert (found.photos, found.repeated, found.saved, found.hosts, found.skipped) == (3, 1, 1, 2, 1)
    assert found.seconds
    least, most = found.seconds
    assert 0 < least < 3 * A_PHOTO < most


def test_the_time_is_that_of_photos_made_alike(alice: User, settings: Settings) -> None:
    settings.WORKERS = 1
    job = draft(alice, f"1,Mug,{A}")
    guessed = products.preflight(job).seconds
    photo = make.finish(make.bring(make.products(alice, 1).uploads.get()))
    Upload.objects.filter(pk=photo.pk).update(started_at=photo.finished_at.replace(year=2020))  # type: ignore[union-attr]
    slow = products.preflight(job).seconds
    assert guessed
    assert slow
    assert slow[0] > 1000 * guessed[1]
    Job.objects.filter(pk=job.pk).update(recipe=Recipe(model="u2netp").to_json())
    assert products.preflight(Job.objects.get(pk=job.pk)).seconds is None  # nobody cut anything out yet


def test_start_makes_one_photo_of_each_address_in_order(alice: User) -> None:
    odd = "https://cdn.example.org/p/A%20b%3F.JPG?w=1"
    job = draft(alice, f'1,Mug,"{B},{A}"', "2,Lamp,htp://x", f"3,Tote,{A}", f'4,Rug,"{odd},https://cdn.example.org/"')
    job_at_first = job.touched_at
    assert products.start(job) == 4
    uploads = list(job.uploads.order_by("position"))
    assert [upload.url for upload in uploads] == [B, A, odd, "https://cdn.example.org/"]
    assert [upload.name for upload in uploads] == ["b.jpg", "a.jpg", "A b_.JPG", "photo"]
    assert (uploads[2].sent_name, uploads[2].host) == ("A b?.JPG", "cdn.example.org")
    assert {(upload.status, upload.source) for upload in uploads} == {(Status.NEW, "")}
    assert [photos_of(row_of(job, line)) for line in (2, 3, 4)] == [[B, A], [], [A]]
    assert links.of(job)
    job.refresh_from_db()
    assert not job.is_draft
    assert job.touched_at > job_at_first


def test_two_files_of_one_name_have_two_names(alice: User) -> None:
    job = draft(alice, f"1,Mug,{A}", "2,Tote,https://cdn.example.org/A.JPG")
    products.start(job)
    assert list(job.uploads.order_by("position").values_list("name", flat=True)) == ["a.jpg", "A (2).JPG"]


def test_it_is_started_once(alice: User) -> None:
    job = draft(alice, f"1,Mug,{A}")
    products.start(job)
    for act in (
        lambda: products.start(job),
        lambda: products.start(Job.objects.get()),
        lambda: products.leave_out(job.rows.all(), True),
        lambda: products.undo(row_of(job, 2)),
        lambda: products.set_recipe(job, make.PLAIN),
        lambda: products.read_again(job, encoding="utf-8", delimiter=",", columns={"serial": 0, "name": 1, "urls": 2}),
    ):
        assert refused("csv_started", act)
    assert job.uploads.count() == 1


def test_nothing_starts_where_no_row_can_run(alice: User) -> None:
    job = draft(alice, "1,Lamp,htp://x", f"2,Mug,{A}")
    products.leave_out(job.rows.filter(line=3), True)
    assert refused("csv_nothing_to_run", products.start, job)
    job.refresh_from_db()
    assert job.is_draft


@pytest.mark.django_db(transaction=True)
def test_of_two_that_start_at_once_one_does(alice: User) -> None:
    job = draft(alice, *(f"{number},Mug,https://img.example.com/{number}.jpg" for number in range(50)))
    said = at_once(4, lambda _: products.start(Job.objects.get(pk=job.pk)))
    assert sorted(said) == ["50", *["csv_started"] * 3]
    assert job.uploads.count() == 50


def test_a_start_that_was_cut_short_goes_on(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    job = draft(alice, *(f"{number},Mug,https://a.example.com/{number}.jpg" for number in range(5)))
    monkeypatch.setattr(row_photos, "AT_ONCE", 2)
    made = Photos.make

    def cut(photos: Photos, rows: Any) -> None:
        made(photos, rows)
        if photos.next == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(Photos, "make", cut)
    with pytest.raises(KeyboardInterrupt):
        products.start(job)
    monkeypatch.setattr(Photos, "make", made)
    job.refresh_from_db()
    assert (job.is_open, job.uploads.count(), product_rows.counts(job)["queued"]) == (True, 2, 5)
    Job.objects.update(touched_at=job.touched_at - timedelta(hours=1))
    housekeeping.close_open_jobs()
    job.refresh_from_db()
    assert not job.is_open
    assert list(job.uploads.order_by("position").values_list("name", flat=True)) == [f"{n}.jpg" for n in range(5)]


def test_a_start_that_was_cut_short_goes_on_when_it_is_asked_for_again(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def send() -> Job:
        return draft(alice, *(f"{number},Mug,https://a.example.com/{number}.jpg" for number in range(5)),
                     start=True, key="order-1", fingerprint="the same")  # fmt: skip

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(products, "fill", Mock(side_effect=KeyboardInterrupt))
        send()
    job = send()
    job.refresh_from_db()
    assert (Job.objects.count(), job.uploads.count(), job.is_open) == (1, 5, False)


@pytest.mark.django_db(transaction=True)
def test_what_is_mended_while_it_starts_is_fetched_as_mended(alice: User) -> None:
    job = draft(alice, *(f"{number},Mug,https://img.example.com/{number}.jpg" for number in range(20)))
    rows = list(job.rows.order_by("position")[:3])
    acts = [lambda: products.start(Job.objects.get(pk=job.pk))]
    acts += [lambda row=row: products.mend(row, "urls", f"https://img.example.com/new-{row.line}.jpg") for row in rows]
    at_once(len(acts), lambda number: acts[number]())
    wanted = [url for row in job.rows.order_by("position") for url in row.urls]
    assert [url for row in job.rows.order_by("position") for url in photos_of(row)] == wanted
    assert set(job.uploads.values_list("url", flat=True)) == set(wanted)
    assert "https://img.example.com/new-2.jpg" in wanted


def at_once(count: int, act: Callable[[int], Any]) -> list[str]:
    """What each of so many threads got, or the code of its refusal."""
    said: list[str] = []

    def run(number: int) -> None:
        try:
            said.append(str(act(number)))
        except PhotoError as error:
            said.append(error.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return said


# ---- after Start ----------------------------------------------------------------------------------------------------


def fail(upload: Upload) -> None:
    claim = ledger.claim_fetch(upload.pk)
    assert claim
    ledger.fail(claim, PhotoError("failed_image_download", reason="The address answered 404"))


def test_a_row_that_could_not_run_does_once_it_is_mended(alice: User) -> None:
    job = draft(alice, f"1,Mug,{A}", "2,Lamp,htp://x")
    products.start(job)
    row = products.mend(row_of(job, 3), "urls", f"{B},{A}")
    assert photos_of(row) == [B, A]
    assert list(job.uploads.order_by("position").values_list("url", "position")) == [(A, 0), (B, 1)]
    assert product_rows.counts(job)["queued"] == 2


def test_an_address_that_failed_is_replaced_and_its_photo_goes(alice: User) -> None:
    job = draft(alice, f'1,Mug,"{A},{B}"', f"2,Tote,{B}")
    products.start(job)
    for upload in job.uploads.all():
        fail(upload)
    row = products.mend(row_of(job, 2), "urls", C)
    assert photos_of(row) == [C]
    assert set(job.uploads.values_list("url", "status")) == {(B, "failed"), (C, "new")}  # line 3 still names B


def test_what_is_being_fetched_and_not_wanted_any_more_comes_to_nothing(alice: User) -> None:
    job = draft(alice, f"1,Mug,{A}")
    products.start(job)
    claim = ledger.claim_fetch(job.uploads.get().pk)
    assert claim
    products.mend(row_of(job, 2), "urls", "")
    assert not ledger.renew(claim)
    assert not job.uploads.exists()
    assert product_rows.counts(job)["failed"] == 1


def test_a_photo_that_came_stays(alice: User) -> None:
    job = draft(alice, f"1,Mug,{A}")
    products.start(job)
    photo = make.finish(make.bring(job.uploads.get()))
    row = products.mend(row_of(job, 2), "name", "Mug, teal")
    assert photos_of(row) == [A]
    products.mend(row, "urls", B)
    assert job.uploads.filter(pk=photo.pk).exists()
    products.mend(row, "urls", A)
    assert list(job.uploads.all()) == [photo]
    assert product_rows.counts(job)["completed"] == 1


def test_a_row_that_is_freed_after_start_runs(alice: User) -> None:
    job = draft(alice, f"7,Mug,{A}", f"7,Lamp,{B}", f"9,Rug,{C}")
    products.leave_out(job.rows.filter(line=4), True)
    products.start(job)
    products.mend(row_of(job, 2), "serial", "8")
    assert photos_of(row_of(job, 3)) == [B]
    products.mend(row_of(job, 4), "name", "Rug, wool")
    assert photos_of(row_of(job, 4)) == [C]


def test_photos_of_the_same_content_are_counted(alice: User) -> None:
    job = make.products(alice, 4)
    for upload, width in zip(job.uploads.order_by("position"), (80, 80, 90, 80), strict=True):
        make.bring(upload, width=width)
    assert products.same_content(job) == 3
    assert products.same_content(make.products(alice, 2)) == 0


# ---- and again ------------------------------------------------------------------------------------------------------


def again(job: Job, sender: User | None = None) -> Job:
    """The details file of this job, sent again, by its owner or somebody else."""
    chunks = product_csv.csv_of(job, details=True).chunks

    async def whole() -> bytes:
        return b"".join([chunk async for chunk in chunks])

    return products.accept(sender or job.owner, SimpleUploadedFile("again.csv", async_to_sync(whole)()), None)


def test_of_a_details_file_that_is_sent_again_the_rest_runs(alice: User) -> None:
    job = draft(alice, f'1,Mug,"{A},{B}"', f"2,Tote,{C}", "3,Lamp,htp://x", f"4,Rug,{A}")
    products.start(job)
    for upload in job.uploads.filter(url__in=[A, B]):
        make.finish(make.bring(upload))
    fail(job.uploads.get(url=C))
    second = again(job)
    found = products.preflight(second)
    assert (found.rows, found.carried, found.ready, found.problems, found.photos) == (4, 2, 1, 1, 1)
    assert products.start(second) == 1
    make.finish(make.bring(second.uploads.get(url=C)))
    products.mend(row_of(second, 4), "urls", "https://img.example.com/lamp.jpg")
    assert product_rows.counts(second) == {"queued": 1, "processing": 0, "completed": 3, "failed": 0, "cancelled": 0}
    make.finish(make.bring(second.uploads.get(url__contains="lamp")))
    third = again(second)
    assert products.preflight(third).carried == 4
    assert products.start(third) == 0
    assert product_rows.counts(third)["completed"] == 4
    assert [row.carried["Output Image Urls"] for row in third.rows.filter(line__in=[2, 5]).order_by("line")] == [
        row.carried["Output Image Urls"] for row in second.rows.filter(line__in=[2, 5]).order_by("line")
    ]


def test_the_rest_is_worked_on_as_the_rows_that_were_completed(alice: User, bob: User) -> None:
    job = draft(alice, f"1,Mug,{A}", f"2,Tote,{B}")
    chosen = Recipe(remove_bg=False, quality=77)
    products.set_recipe(job, chosen)
    products.start(job)
    make.finish(make.bring(job.uploads.get(url=A)))
    assert Recipe(**again(job).recipe) == chosen
    assert Recipe(**again(job, bob).recipe) == products.DEFAULT
    Job.objects.filter(pk=job.pk).update(recipe=chosen.to_json() | {"model": "gone"})
    assert Recipe(**again(Job.objects.get(pk=job.pk)).recipe) == products.DEFAULT


def test_a_row_that_was_completed_runs_again_where_its_addresses_are_changed(alice: User) -> None:
    job = draft(alice, f"1,Mug,{A}")
    products.start(job)
    make.finish(make.bring(job.uploads.get()))
    second = again(job)
    row = products.mend(row_of(second, 2), "name", "Mug, teal")
    assert row.carried
    assert products.mend(row, "urls", B).carried is None
    assert products.start(second) == 1
    assert photos_of(row) == [B]
