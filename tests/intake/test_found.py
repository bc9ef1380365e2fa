"""Photos that lie in the bucket: named by their keys, copied where nobody can change them, judged by their content."""

import base64
import hashlib
import io
import json
import threading
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from PIL import Image
from pytest_django.fixtures import Settings

from photoproc.addresses import storage_address
from processing import allowances, breaker, housekeeping, inventory, ledger, queue, storage, tasks
from processing.dispatch import Dispatcher
from processing.errors import PhotoError
from processing.intake import addresses, found, posted
from processing.models import Allowance, Breaker, Incoming, Job, Refusal, Status, Upload
from tests.at_once import at_once
from tests.bucket import Bucket, Fault, proxy
from tests.conftest import picture
from tests.intake.packing import PHOTO, packed
from tests.make import PLAIN

pytestmark = pytest.mark.django_db
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"


def leave(owner: User, *names: str, size: int = len(PHOTO)) -> list[posted.Leave]:
    given = posted.leave(owner, [posted.Wanted(name, size, "image/jpeg") for name in names])
    assert all(isinstance(one, posted.Leave) for one in given)
    return [one for one in given if isinstance(one, posted.Leave)]


def send(one: posted.Leave, data: bytes = PHOTO) -> str:
    """As a browser does; gives the key."""
    answer = httpx.post(one.post.url, data=one.post.fields, files={"file": data})
    assert answer.is_success, answer.text
    return one.key


def sent(owner: User, data: bytes = PHOTO, name: str = "shoe.jpg") -> str:
    return send(leave(owner, name)[0], data)


def job_of(owner: User, *keys: str, **how: Any) -> Job:
    job = addresses.accept_keys(owner, keys, PLAIN, **how).job
    assert job
    return job


def brought(owner: User, data: bytes) -> Upload:
    """What became of this content, sent with leave for a photo."""
    job = job_of(owner, sent(owner, data))
    found.bring_found(job.pk)
    return job.uploads.get()


def state(upload: Upload) -> tuple[str, str]:
    upload.refresh_from_db()
    return upload.status, upload.error_code


# ---- the keys that a job may name ------------------------------------------------------------------------------------


def test_what_was_sent_becomes_photos_in_order_under_the_names_they_were_sent_with(bucket: Bucket, alice: User) -> None:
    keys = [send(one) for one in leave(alice, "b.jpg", "x/a.jpg", "b.jpg")]
    answer = addresses.accept_keys(alice, keys, PLAIN)
    assert answer.job
    rows = answer.job.uploads.order_by("position").values_list("name", "sent_name", "bucket_key", "status")
    assert list(rows) == [
        ("b.jpg", "b.jpg", keys[0], Status.NEW), ("a.jpg", "x/a.jpg", keys[1], Status.NEW),
        ("b (2).jpg", "b.jpg", keys[2], Status.NEW),
    ]  # fmt: skip
    assert (answer.received, answer.accepted, answer.job.name) == (3, 3, "b and 2 more")
    assert not Incoming.objects.exists()


def test_a_key_works_once(bucket: Bucket, alice: User) -> None:
    key = sent(alice)
    job_of(alice, key)
    again = addresses.accept_keys(alice, [key], PLAIN)
    assert (again.job, [(one.name, one.code) for one in again.refused]) == (None, [(key, "invalid_s3_key")])


def test_with_the_same_idempotency_key_the_first_answer_comes_again(bucket: Bucket, alice: User) -> None:
    key = sent(alice)
    first, second = (addresses.accept_keys(alice, [key], PLAIN, key="order-1") for _ in range(2))
    assert first == second
    assert Upload.objects.count() == 1


@pytest.mark.parametrize("who", ["bob", "olga"])
def test_a_key_is_its_owners_alone(who: str, bucket: Bucket, alice: User, request: pytest.FixtureRequest) -> None:
    key, other = sent(alice), request.getfixturevalue(who)
    assert addresses.accept_keys(other, [key], PLAIN).refused[0].code == "invalid_s3_key"
    job = job_of(alice, sent(alice), open=True)
    assert addresses.add_keys(job, other, [key, sent(other)]).accepted == 0
    assert addresses.add_keys(job, alice, [key]).accepted == 1


def test_what_does_not_lie_there_is_refused_and_may_be_named_once_it_does(bucket: Bucket, alice: User) -> None:
    here, late = leave(alice, "here.jpg", "late.jpg")
    send(here)
    answer = addresses.accept_keys(alice, [late.key, here.key, here.key, "nothing"], PLAIN, open=True)
    assert answer.job
    assert (answer.received, answer.accepted) == (3, 1)
    assert {(one.name, one.code) for one in answer.refused} == {
        (late.key, "invalid_s3_key"), ("nothing", "invalid_s3_key"),
    }  # fmt: skip
    assert Refusal.objects.count() == 2
    assert addresses.add_keys(answer.job, alice, [send(late)]).accepted == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_requests_at_once_one_gets_the_photo(bucket: Bucket, alice: User) -> None:
    key, both = sent(alice), threading.Barrier(2)

    def ask() -> int:
        look = posted.at(alice, [key])  # both find it unused
        both.wait()
        return addresses._accept(alice, lambda: look, PLAIN).accepted

    assert sorted(map(str, at_once(2, ask))) == ["1", "invalid_s3_key"]
    assert (Upload.objects.count(), Job.objects.count()) == (1, 1)


def test_a_request_that_is_refused_as_a_whole_uses_no_key(bucket: Bucket, alice: User) -> None:
    Allowance.objects.create(owner=alice, photos_a_day=1)
    keys = [sent(alice), sent(alice)]
    with pytest.raises(PhotoError) as refused:
        addresses.accept_keys(alice, keys, PLAIN)
    assert refused.value.code == "limit_reached"
    assert addresses.accept_keys(alice, keys[:1], PLAIN).accepted == 1


def test_only_so_many_keys_are_looked_up(bucket: Bucket, alice: User, settings: Settings) -> None:
    settings.MAX_FILES = 2
    keys = [f"import/{number}.jpg" for number in range(4)]
    settings.IMPORT_PREFIX = "import/"
    bucket.put("house/import/1.jpg", PHOTO)
    told = addresses.accept_keys(alice, keys, PLAIN)
    assert [one.code for one in told.refused] == ["invalid_s3_key", "too_many_files", "too_many_files"]


# ---- what lies in the folder that is for all -------------------------------------------------------------------------


def test_what_is_imported_keeps_its_name_stays_and_serves_everybody(
    bucket: Bucket, alice: User, bob: User, settings: Settings
) -> None:
    settings.IMPORT_PREFIX = "/import"
    bucket.put("house/import/spring/shoe.jpg", PHOTO)
    for owner in (alice, bob):
        job = job_of(owner, "import/spring/shoe.jpg")
        found.bring_found(job.pk)
        upload = job.uploads.get()
        assert (upload.name, upload.status, storage.read(upload.source)) == ("shoe.jpg", Status.QUEUED, PHOTO)
    assert bucket.get("house/import/spring/shoe.jpg") == PHOTO


@pytest.mark.parametrize(
    ("prefix", "key"),
    [
        ("import/", "import"), ("import/", "import/"), ("import", "imports/a.jpg"), ("import/", "other/a.jpg"),
        ("import/", "/import/a.jpg"), ("import/", "import//a.jpg"), ("import/", "import/../7/8/originals/a.jpg"),
        ("import/", "import/./a.jpg"), ("import/", f"import/{'a' * 1018}"), ("import/", ""), ("", "a.jpg"),
        ("", ""), ("/", "a.jpg"), ("//", "//a.jpg"), ("7/", "7/412/originals/a.jpg"), ("7/", "7/incoming/a"),
        ("import/", "house/import/a.jpg"),
    ],
)  # fmt: skip
def test_a_key_elsewhere_is_not_even_looked_up(prefix: str, key: str, alice: User, settings: Settings) -> None:
    settings.STORAGE, settings.IMPORT_PREFIX = storage_address("s3://no-such-bucket/house"), prefix
    assert [one.code for one in addresses.accept_keys(alice, [key], PLAIN).refused] == ["invalid_s3_key"]


def test_a_zip_and_a_csv_are_refused_by_their_names_and_a_large_file_by_its_size(
    bucket: Bucket, alice: User, settings: Settings
) -> None:
    settings.IMPORT_PREFIX, settings.MAX_FILE_BYTES = "import/", 100
    names = ("a.zip", "b.CSV", "c.jpg")
    for name in names:
        bucket.put(f"house/import/{name}", bytes(101))
    answer = addresses.accept_keys(alice, [f"import/{name}" for name in names], PLAIN)
    assert [one.code for one in answer.refused] == ["only_photos", "only_photos", "file_too_large"]


def test_a_house_without_a_bucket_refuses_every_key(alice: User, settings: Settings) -> None:
    settings.IMPORT_PREFIX = "import/"
    Incoming.objects.create(key="7/incoming/a", owner=alice, name="a.jpg")
    refused = addresses.accept_keys(alice, ["7/incoming/a", "import/a.jpg"], PLAIN).refused
    assert [one.code for one in refused] == ["invalid_s3_key"] * 2


# ---- brought ---------------------------------------------------------------------------------------------------------


def test_it_is_copied_judged_and_queued_and_what_was_sent_is_removed(bucket: Bucket, alice: User) -> None:
    upload = brought(alice, picture(90, 70, "PNG"))
    assert (upload.status, upload.attempts, upload.claim, upload.bucket_key) == (Status.QUEUED, 0, None, "")
    assert (upload.source_format, upload.source_width, upload.source_height) == ("png", 90, 70)
    original = picture(90, 70, "PNG")
    assert (upload.source_bytes, upload.source_sha256) == (len(original), hashlib.sha256(original).hexdigest())
    assert upload.source.startswith(f"{alice.pk}/{upload.job_id}/originals/")
    assert bucket.keys() == [f"house/{upload.source}"]
    assert bucket.get(f"house/{upload.source}") == original
    assert upload.variants.filter(name="source-thumbnail").exists()


def bomb() -> bytes:
    """A small PNG of very many pixels."""
    out = io.BytesIO()
    Image.new("1", (9000, 9000)).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"<!doctype html><script>alert(1)</script>", "invalid_file_type"), (SVG, "invalid_file_type"),
        (bomb(), "resolution_too_high"), (b"", "failed_to_read_image"), (PHOTO[:200], "failed_to_read_image"),
        (picture(10, 10, "PNG"), "image_too_small"), (packed({"a.jpg": PHOTO}), "only_photos"),
        (PHOTO + bytes(20_000), "file_too_large"),
    ],
)  # fmt: skip
def test_what_arrived_is_judged_by_its_content(
    data: bytes, code: str, bucket: Bucket, alice: User, settings: Settings
) -> None:
    """The server behind the bucket takes whatever comes under a key."""
    job = job_of(alice, key := sent(alice, PHOTO))
    bucket.put(f"house/{key}", data)
    settings.MAX_FILE_BYTES = 20_000
    found.bring_found(job.pk)
    assert state(job.uploads.get()) == (Status.FAILED, code)
    may_be_allowed_later = code == "resolution_too_high"
    assert bucket.keys() == [f"house/{key}"] * may_be_allowed_later


def test_what_is_overwritten_before_it_is_brought_is_judged_as_it_then_is(bucket: Bucket, alice: User) -> None:
    one = leave(alice, "shoe.jpg")[0]
    job, other = job_of(alice, send(one)), picture(120, 90)
    send(one, other)
    found.bring_found(job.pk)
    assert storage.read(job.uploads.get().source) == other


def test_what_is_overwritten_after_it_was_copied_changes_nothing(
    bucket: Bucket, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = leave(alice, "shoe.jpg")[0]
    job, link = job_of(alice, send(one)), storage.link

    def link_and_send(key: str, to: str) -> None:
        link(key, to)
        send(one, b"<html>")

    monkeypatch.setattr(storage, "link", link_and_send)
    found.bring_found(job.pk)
    upload = job.uploads.get()
    assert (upload.status, storage.read(upload.source)) == (Status.QUEUED, PHOTO)
    send(one, b"<html>")  # and once more, after it was brought
    assert storage.read(upload.source) == PHOTO
    assert addresses.accept_keys(alice, [one.key], PLAIN).accepted == 0


def test_equal_photos_of_a_job_share_one_original(bucket: Bucket, alice: User) -> None:
    job = job_of(alice, sent(alice), sent(alice))
    found.bring_found(job.pk)
    assert len(set(job.uploads.values_list("source", flat=True))) == 1
    assert len(bucket.keys()) == 1


def test_a_kill_after_the_copy_loses_nothing(bucket: Bucket, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    job = job_of(alice, sent(alice))

    def die(*_: object, **more: object) -> None:
        raise SystemExit  # as a killed process, it says nothing to the ledger

    with monkeypatch.context() as broken:
        broken.setattr(ledger, "bring", die)
        with pytest.raises(SystemExit):
            found.bring_found(job.pk)
    Upload.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    ledger.sweep()
    found.bring_found(job.pk)
    assert state(job.uploads.get()) == (Status.QUEUED, "")


def test_what_is_cancelled_meanwhile_leaves_no_copy_and_may_be_retried(
    bucket: Bucket, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, link = job_of(alice, key := sent(alice)), storage.link

    def link_and_cancel(key: str, to: str) -> None:
        link(key, to)
        ledger.cancel(Upload.objects.all())

    with monkeypatch.context() as cancelling:
        cancelling.setattr(storage, "link", link_and_cancel)
        found.bring_found(job.pk)
    assert state(job.uploads.get()) == (Status.CANCELLED, "cancelled")
    assert bucket.keys() == [f"house/{key}"]
    assert ledger.retry(job.uploads.all()) == 1
    found.bring_found(job.pk)
    assert state(job.uploads.get()) == (Status.QUEUED, "")


def test_what_is_gone_fails_and_comes_by_a_retry_once_it_is_back(bucket: Bucket, alice: User) -> None:
    one = leave(alice, "shoe.jpg")[0]
    job = job_of(alice, send(one))
    storage.delete([one.key])
    found.bring_found(job.pk)
    assert state(job.uploads.get()) == (Status.FAILED, "invalid_s3_key")
    send(one)
    ledger.retry(job.uploads.all())
    found.bring_found(job.pk)
    assert state(job.uploads.get()) == (Status.QUEUED, "")


def test_there_must_be_room_for_it(bucket: Bucket, alice: User) -> None:
    job = job_of(alice, sent(alice))
    Allowance.objects.create(owner=alice, stored_mb=1)
    make_full = Upload.objects.create(job=job, position=9, name="old.jpg", source="1/2/originals/a", source_bytes=10**6)
    found.bring_found(job.pk)
    assert state(job.uploads.get(position=0)) == (Status.FAILED, "limit_reached")
    assert allowances.stored(alice.pk) == make_full.source_bytes


# ---- a bucket that does not answer -----------------------------------------------------------------------------------


def test_a_bucket_that_fails_is_tried_again_then_left_alone_and_parks_what_waits(
    bucket: Bucket, alice: User, settings: Settings
) -> None:
    settings.BREAKER_FAILURES = 2
    job = job_of(alice, sent(alice), sent(alice), sent(alice))
    with proxy(bucket) as between:
        settings.STORAGE = storage_address(between.url)
        between.always = Fault(status=403, code="AccessDenied")
        found.bring_found(job.pk)
        first, second = job.uploads.order_by("position")[:2]
        assert (state(first), first.attempts) == ((Status.NEW, "storage_unavailable"), 1)
        assert (state(second), second.waits_for, second.attempts) == ((Status.NEW, "breaker_open"), "storage", 0)
        assert Breaker.objects.get().state == Breaker.State.OPEN
        dispatcher = Dispatcher()
        dispatcher.tend_breakers()
        assert dispatcher.found() == []
        between.always = None
        Breaker.objects.update(probe_at=timezone.now())
        Upload.objects.update(not_before=None)
        for _ in range(2):
            dispatcher.tend_breakers()
            found.bring_found(job.pk)
            dispatcher.tend_breakers()
        found.bring_found(job.pk)
    assert {state(one) for one in job.uploads.all()} == {(Status.QUEUED, "")}
    assert not breaker.open_ones()


def test_one_that_is_no_photo_shows_all_the_same_that_the_bucket_answers(bucket: Bucket, alice: User) -> None:
    job = job_of(alice, sent(alice, b"<html>"))
    breaker.failed(breaker.STORAGE, "It did not answer")
    Breaker.objects.update(state=Breaker.State.HALF_OPEN, probe=job.uploads.get().pk)
    found.bring_found(job.pk)
    assert Breaker.objects.get().state == Breaker.State.CLOSED


def test_what_is_cut_in_the_middle_is_not_taken_for_the_whole(bucket: Bucket, alice: User, settings: Settings) -> None:
    job = job_of(alice, key := sent(alice))
    with proxy(bucket) as between:
        settings.STORAGE = storage_address(between.url)
        between.always, between.method = Fault(cut_answer=True), "GET"
        found.bring_found(job.pk)
    assert state(job.uploads.get()) == (Status.NEW, "storage_unavailable")
    assert bucket.keys() == [f"house/{key}"]


# ---- by whom, and in which order -------------------------------------------------------------------------------------


def nudges(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[int]]:
    told: dict[str, list[int]] = {}
    monkeypatch.setattr(queue, "send", lambda name, task, ids, **_: told.update({task: list(ids)}))
    monkeypatch.setattr(queue, "waiting", lambda name: 0)
    return told


def test_the_dispatcher_nudges_for_one_job_of_each_person(
    bucket: Bucket, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [job_of(owner, sent(owner)) for owner in (alice, alice, bob)]
    told = nudges(monkeypatch)
    Dispatcher().feed_io()
    assert sorted(told[queue.BRING_FOUND]) == [jobs[0].pk, jobs[2].pk]
    for pk in told[queue.BRING_FOUND]:
        tasks.bring_found(pk)
    Dispatcher().feed_io()
    assert told[queue.BRING_FOUND] == [jobs[1].pk]


def test_who_is_asked_to_stop_leaves_the_rest(bucket: Bucket, alice: User) -> None:
    job, looks = job_of(alice, sent(alice), sent(alice)), iter([False, True])
    found.bring_found(job.pk, stopping=lambda: next(looks))
    assert list(job.uploads.order_by("position").values_list("status", flat=True)) == [Status.QUEUED, Status.NEW]
    assert ledger.to_find().count() == 1


# ---- what nobody needs -----------------------------------------------------------------------------------------------


def test_what_no_job_named_in_time_is_removed_by_its_row_once_none_can_any_more(
    bucket: Bucket, alice: User, settings: Settings
) -> None:
    unused, waits, young = (sent(alice) for _ in range(3))
    job_of(alice, waits)
    housekeeping.clear_incoming()
    assert bucket.keys() == sorted(f"house/{key}" for key in (unused, waits, young))
    Incoming.objects.exclude(key=young).update(created_at=timezone.now() - timedelta(hours=25))
    refused = addresses.accept_keys(alice, [unused], PLAIN).refused
    assert [one.code for one in refused] == ["invalid_s3_key"]
    with proxy(bucket) as between:
        settings.STORAGE = storage_address(between.url)
        between.always = Fault(status=403, code="AccessDenied")
        with pytest.raises(PhotoError, match="storage_unavailable"):
            housekeeping.clear_incoming()
        assert Incoming.objects.count() == 2
        between.always = None
        between.seen.clear()
        housekeeping.clear_incoming()
        assert all(not line.startswith("GET") for line in between.seen), "nothing is listed"
    assert bucket.keys() == sorted(f"house/{key}" for key in (waits, young))
    assert list(Incoming.objects.values_list("key", flat=True)) == [young]


def test_what_was_sent_and_has_no_row_is_found_by_looking_for_it(
    bucket: Bucket, alice: User, settings: Settings
) -> None:
    storage.own()
    sent(alice)
    job_of(alice, waits := sent(alice))
    Incoming.objects.all().delete()
    housekeeping.clear_folders()
    assert len(bucket.keys(f"house/{alice.pk}/")) == 2
    settings.INCOMING_HOURS = -1
    housekeeping.clear_folders()
    assert bucket.keys(f"house/{alice.pk}/") == [f"house/{waits}"]


def test_the_bucket_takes_no_more_than_was_declared(bucket: Bucket, alice: User) -> None:
    (one,) = leave(alice, "shoe.jpg", size=4711)
    policy = json.loads(base64.b64decode(one.post.fields["policy"]))
    assert ["content-length-range", 1, 4711] in policy["conditions"]


def test_files_that_were_sent_are_told_of_once_they_are_old_and_no_photo_needs_them(
    bucket: Bucket, alice: User, settings: Settings
) -> None:
    unused, waits, gone = (sent(alice) for _ in range(3))
    job_of(alice, waits)
    job_of(alice, gone)
    storage.delete([gone])

    def told() -> list[tuple[list[str], list[str]]]:
        return [
            ([seen.key for seen in one.unnamed], [row.key for row in one.missing])
            for one in inventory.compare() if one.folder.endswith("incoming")
        ]  # fmt: skip

    assert told() == [([], [gone])]
    settings.INCOMING_HOURS = -1
    assert told() == [([unused], [gone])]
    found.bring_found(Job.objects.latest("pk").pk)
    assert told() == [([unused], [])]
