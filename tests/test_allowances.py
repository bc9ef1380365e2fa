"""How much a person may send: every door refuses what is too much, whole, and keeps nothing of it."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from processing import allowances, ledger, storage
from processing.allowances import Allowed
from processing.errors import PhotoError
from processing.intake import addresses, bring, fetch, photos, products
from processing.models import Allowance, Archive, Job, Status, Tally, Upload
from tests import make
from tests.at_once import at_once
from tests.conftest import picture
from tests.intake.packing import PHOTO, files_on_disk, many, sent
from tests.intake.test_fetch import server as server  # noqa: PLC0414  # a fixture
from tests.intake.test_products import A, B, C, draft, row_of, table
from tests.misbehaving import Misbehaving

pytestmark = pytest.mark.django_db

SignIn = Callable[[User], Client]
URLS = [A, B, C]
LIMITS = ("photos_a_day", "photos_in_flight")


def limit(owner: User, **limits: int) -> None:
    Allowance.objects.update_or_create(owner=owner, defaults=limits)


def refusal(act: Callable[[], Any]) -> str:
    """The sentence of it."""
    with pytest.raises(PhotoError) as caught:
        act()
    assert caught.value.code == "limit_reached"
    return caught.value.message


def open_job(owner: User) -> Job:
    return Job.objects.create(owner=owner, name="Open", recipe=make.PLAIN.to_json(), is_open=True)


# ---- every door: three photos where two may come --------------------------------------------------------------------

DOORS: dict[str, Callable[[User], Callable[[], object]]] = {
    "files": lambda owner: lambda: photos.accept(owner, [sent(f"{at}.jpg") for at in range(3)], make.PLAIN),
    "zip": lambda owner: lambda: photos.accept(owner, [sent("many.zip", many(3))], make.PLAIN),
    "samples": lambda owner: lambda: photos.accept_samples(owner, make.PLAIN),
    "addresses": lambda owner: lambda: addresses.accept(owner, URLS, make.PLAIN),
    "csv at once": lambda owner: lambda: draft(owner, f'1,Chair,"{A},{B},{C}"', start=True),
}


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("door", sorted(DOORS))
def test_a_door_refuses_all_and_keeps_nothing(alice: User, door: str, name: str) -> None:
    limit(alice, **{name: 2})
    act = DOORS[door](alice)
    refusal(act)
    assert (Job.objects.count(), Upload.objects.count(), Tally.objects.count(), files_on_disk()) == (0, 0, 0, set())
    limit(alice, **{name: 3})
    DOORS[door](alice)()
    assert Upload.objects.count() == 3


@pytest.mark.parametrize("name", LIMITS)
def test_an_open_job_takes_no_more_than_is_left(alice: User, name: str) -> None:
    limit(alice, **{name: 2})
    job = open_job(alice)
    photos.add(job, [sent("cat.jpg")])
    before = files_on_disk()
    refusal(lambda: photos.add(job, [sent("dog.jpg"), sent("fox.jpg")]))
    refusal(lambda: addresses.add(job, URLS[:2]))
    assert (job.uploads.count(), files_on_disk()) == (1, before)
    addresses.add(job, [A])
    assert job.uploads.count() == 2


@pytest.mark.parametrize("name", LIMITS)
def test_a_csv_stays_a_draft_where_its_photos_are_too_many(alice: User, name: str) -> None:
    limit(alice, **{name: 1})
    job = draft(alice, f"1,Chair,{A}", f"2,Sofa,{B}")
    refusal(lambda: products.start(job))
    job.refresh_from_db()
    assert (job.is_draft, job.uploads.count()) == (True, 0)
    products.leave_out(job.rows.filter(line=3), True)
    products.start(job)
    assert job.uploads.count() == 1
    refusal(lambda: products.mend(row_of(job, 2), "urls", f"{A},{C}"))
    assert row_of(job, 2).urls == [A]


def test_a_started_csv_is_in_flight_before_its_photos_are_written(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    limit(alice, photos_in_flight=3)
    job = draft(alice, f"1,Chair,{A}", f'2,Sofa,"{A},{B}"')
    monkeypatch.setattr(products, "fill", lambda job: 0)  # cut short
    products.start(job)
    assert allowances.of(alice.pk) == {"photos_in_flight": Allowed("photos_in_flight", 2, 3)}
    refusal(lambda: addresses.accept(alice, [A, B], make.PLAIN))
    monkeypatch.undo()
    products.fill(job)
    assert allowances.of(alice.pk)["photos_in_flight"].used == 2


@pytest.mark.parametrize(
    ("path", "field", "file"),
    [
        ("/jobs/new", "files", sent("a.jpg")),
        ("/api/v1/jobs", "files", sent("a.jpg")),
        ("/api/v1/uploads", "file", sent("a.jpg")),
        ("/v1.0/removebg", "image_file", sent("a.jpg")),
        ("/api/images/upload", "image", sent("a.jpg")),
        ("/api/upload-and-process", "files", sent("a.jpg")),
        ("/upload/", "file", SimpleUploadedFile("a.csv", table(f"1,Chair,{A}"))),
    ],
)
def test_a_program_hears_429(alice: User, as_user: SignIn, path: str, field: str, file: SimpleUploadedFile) -> None:
    limit(alice, photos_a_day=1)
    photos.accept(alice, [sent("cat.jpg")], make.PLAIN)
    file.seek(0)
    form = {"remove_bg": "on", "model": "u2netp"} if path == "/jobs/new" else {}
    answer = as_user(alice).post(path, form | {field: file})
    assert (answer.status_code, Upload.objects.count()) == (429, 1)
    assert b"none is left until midnight" in answer.content


def test_the_page_says_it_and_keeps_what_was_chosen(alice: User, as_user: SignIn) -> None:
    limit(alice, photos_a_day=1)
    answer = as_user(alice).post(
        reverse("new-job"), {"files": [sent("a.jpg"), sent("b.jpg")], "model": "u2netp", "format": "jpg"}
    )
    assert answer.status_code == 429
    assert "1 photo a day; 0 sent today: 1 is left until midnight." in answer.content.decode()


# ---- what counts ----------------------------------------------------------------------------------------------------


def test_what_was_deleted_today_was_sent_all_the_same(alice: User) -> None:
    limit(alice, photos_a_day=1)
    photos.accept(alice, [sent("cat.jpg")], make.PLAIN)
    Job.objects.all().delete()
    assert "none is left" in refusal(lambda: photos.accept(alice, [sent("cat.jpg")], make.PLAIN))


def test_a_photo_that_has_ended_makes_room_and_a_retry_is_never_refused(alice: User) -> None:
    limit(alice, photos_in_flight=1)
    (upload,) = make.job(alice).uploads.all()
    refusal(lambda: photos.accept(alice, [sent("cat.jpg")], make.PLAIN))
    ledger.cancel(Upload.objects.all())
    photos.accept(alice, [sent("cat.jpg")], make.PLAIN)
    assert ledger.retry(Upload.objects.filter(pk=upload.pk)) == 1
    assert allowances.of(alice.pk)["photos_in_flight"].used == 2


def test_originals_and_all_that_was_made_of_them_are_stored(alice: User, bob: User) -> None:
    limit(alice, stored_mb=1)
    upload = make.finish(make.upload(alice))
    make.finish(make.upload(bob))
    files = [upload.source, *upload.variants.exclude(key="").values_list("key", flat=True)]
    assert len(files) == 3
    assert allowances.of(alice.pk)["stored_bytes"].used == sum(len(storage.read(key)) for key in files)


def test_bytes_are_judged_at_the_door(alice: User) -> None:
    limit(alice, stored_mb=1)
    Upload.objects.filter(pk=make.upload(alice).pk).update(source_bytes=1_000_000 - len(PHOTO))
    for file in (sent("many.zip", many(2)), sent("cat.jpg", PHOTO + b"\0")):
        assert refusal(lambda file=file: photos.accept(alice, [file], make.PLAIN)).startswith("1.0 MB may be stored; ")
    photos.accept(alice, [sent("cat.jpg")], make.PLAIN)


def test_a_photo_that_comes_by_itself_is_judged_when_it_comes(alice: User, server: Misbehaving) -> None:
    limit(alice, stored_mb=1)
    full = make.upload(alice)
    photos.accept(alice, [sent("many.zip", many(1))], make.PLAIN)
    addresses.accept(alice, [server.address("/same/1.jpg")], make.PLAIN)
    Upload.objects.filter(pk=full.pk).update(source_bytes=1_000_000)
    before = files_on_disk()
    bring.bring_archive(Archive.objects.get().pk)
    fetch.fetch_photos()
    came = Upload.objects.exclude(pk=full.pk)
    assert set(came.values_list("status", "error_code")) == {(Status.FAILED, "limit_reached")}
    assert files_on_disk() == before
    Upload.objects.filter(pk=full.pk).update(source_bytes=1)
    cache.clear()  # some seconds later
    ledger.retry(came)
    bring.bring_archive(Archive.objects.get().pk)
    fetch.fetch_photos()
    assert set(came.values_list("status", flat=True)) == {Status.QUEUED}


def test_the_bytes_of_a_zip_are_not_summed_up_for_each_photo(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def stored(owner_id: int) -> int:
        sums.append(owner_id)
        return 0

    sums: list[int] = []
    monkeypatch.setattr(allowances, "stored", stored)
    limit(alice, stored_mb=1)
    photos.accept(alice, [sent("many.zip", many(3))], make.PLAIN)
    bring.bring_archive(Archive.objects.get().pk)
    assert (set(Upload.objects.values_list("status", flat=True)), sums) == ({Status.QUEUED}, [alice.pk])


def test_what_a_process_stores_counts_at_once(alice: User) -> None:
    limit(alice, stored_mb=1)
    photos.accept(alice, [sent("many.zip", many(2))], make.PLAIN)
    allowances.check_room(alice.pk, 1_000_000)
    bring.bring_archive(Archive.objects.get().pk)
    room = 1_000_000 - sum(Upload.objects.values_list("source_bytes", flat=True))
    allowances.check_room(alice.pk, room)
    refusal(lambda: allowances.check_room(alice.pk, room + 1))


# ---- whose limit ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("own", "holds"), [(None, 7), (3, 3), (0, None)])
def test_the_limit_of_the_person_wins_over_the_houses(
    alice: User, settings: Settings, own: int | None, holds: int | None
) -> None:
    settings.PHOTOS_A_DAY = settings.PHOTOS_IN_FLIGHT = 7
    settings.STORED_BYTES = 7 * settings.MB
    Allowance.objects.create(owner=alice, photos_a_day=own, stored_mb=own, photos_in_flight=own)
    found = {name: one.limit for name, one in allowances.of(alice.pk).items()}
    all_of_them = {"photos_a_day": holds, "stored_bytes": (holds or 0) * settings.MB, "photos_in_flight": holds}
    assert found == (all_of_them if holds else {})


def test_where_nothing_is_limited_nothing_is_counted(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        allowances.check(alice.pk, 100, 10**12)


@pytest.mark.parametrize(
    ("used", "sentence"),
    [
        (480, "500 photos a day; 480 sent today: 20 are left until midnight."),
        (499, "500 photos a day; 499 sent today: 1 is left until midnight."),
        (600, "500 photos a day; 600 sent today: none is left until midnight."),
    ],
)
def test_the_sentence_says_how_many_are_left(alice: User, used: int, sentence: str) -> None:
    limit(alice, photos_a_day=500)
    Tally.objects.create(owner=alice, day=timezone.localdate(), photos=used)
    assert refusal(lambda: allowances.check(alice.pk, 100)) == sentence


# ---- at once --------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", LIMITS)
def test_of_many_at_once_exactly_the_limit_passes(alice: User, name: str) -> None:
    limit(alice, **{name: 3})
    data = picture()

    def send() -> str:
        photos.accept(alice, [sent("cat.jpg", data)], make.PLAIN)
        return "in"

    assert sorted(map(str, at_once(6, send))) == ["in"] * 3 + ["limit_reached"] * 3
    assert (Upload.objects.count(), Job.objects.count(), Tally.objects.get().photos) == (3, 3, 3)
