"""Photos from addresses: each ends in its own way, and none harms another."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.conf import settings as house
from django.contrib.auth.models import User
from django.utils import timezone

from processing import ledger, network, storage
from processing.errors import PhotoError
from processing.intake import download, fetch
from processing.models import Lease, Status, Upload, lease
from processing.storage import disk
from tests import make
from tests.misbehaving import PHOTO, Misbehaving

pytestmark = pytest.mark.django_db
HTTP = "failed_image_download"


@pytest.fixture
def server(settings: Any) -> Iterator[Misbehaving]:
    made = Misbehaving()
    settings.FETCH_ALLOW = made.allow
    settings.FETCH_SECONDS = 2
    yield made
    made.stop()


def fetched(owner: User, *addresses: str) -> list[Upload]:
    job = make.products(owner, [[address] for address in addresses])
    fetch.fetch_photos()
    return list(job.uploads.order_by("position"))


def originals() -> set[Path]:
    return set(house.FILES_DIR.glob("*/*/originals/*"))


def test_a_photo_is_fetched_kept_and_queued(alice: User, server: Misbehaving) -> None:
    (upload,) = fetched(alice, server.address("/same/1.jpg"))
    assert (upload.status, upload.attempts, upload.claim) == (Status.QUEUED, 0, None)
    assert (storage.read(upload.source), upload.source_format, upload.source_width) == (PHOTO, "jpeg", 80)
    assert upload.variants.filter(name="source-thumbnail").exists()
    head = server.heads["/same/1.jpg"].lower()
    assert "accept-encoding: identity" in head
    assert f"user-agent: photoproc/{house.VERSION} (+{house.URL})".lower() in head


# ---- every way of misbehaving --------------------------------------------------------------------------------------

FINAL = {
    "/missing.jpg": (HTTP, "The address answered 404, not found."),
    "/forbidden.jpg": (HTTP, "The address answered 403, not allowed."),
    "/signed-out.jpg": (HTTP, "The address answered 401, not allowed."),
    "/page.jpg": (HTTP, "A web page came back, not a photo."),
    "/empty.jpg": ("failed_to_read_image", "The file cannot be read: it is empty."),
    "/damaged.jpg": ("failed_to_read_image", "The file cannot be read: it is cut short."),
    "/endless.jpg": ("file_too_large", "File size (1.1MB) exceeds maximum (1MB)."),
    "/huge.jpg": ("file_too_large", "File size (3000MB) exceeds maximum (1MB)."),
    "/loop.jpg": (HTTP, "The address leads on to others, more than 3 times."),
    "/nowhere.jpg": (HTTP, "The address leads on, but does not say where to."),
    "/private.jpg": ("fetch_blocked_address", "This server may not fetch this address."),
    "/metadata.jpg": ("fetch_blocked_address", "This server may not fetch this address."),
    "/file.jpg": ("fetch_blocked_address", "This server may not fetch this address."),
    "/data.jpg": ("fetch_blocked_address", "This server may not fetch this address."),
    "/bomb.jpg": ("invalid_file_type", "Unsupported image format: GZIP."),
}
HEALS = {
    "/broken.jpg": (HTTP, "The address answered 500, internal server error."),
    "/cut.jpg": (HTTP, "The connection broke off in the middle."),
    "/garbage.jpg": (HTTP, "The server does not answer."),
    "/hang-up.jpg": (HTTP, "The server does not answer."),
    "/drip.jpg": ("fetch_timeout", "The address took longer than 2 s."),
    "/drip-headers.jpg": ("fetch_timeout", "The address took longer than 2 s."),
    "/silent.jpg": ("fetch_timeout", "The address took longer than 2 s."),
}
GOOD = ["/photos/1.jpg", "/moved.jpg", "/longer.jpg", "/photos/2.jpg"]


def test_each_misbehaviour_has_its_own_end_and_harms_no_other(alice: User, server: Misbehaving, settings: Any) -> None:
    settings.FETCHES_PER_HOST = settings.FETCHES = 50
    settings.MAX_FILE_BYTES = 1_000_000
    ends = {
        **{server.address(path): end for path, end in {**FINAL, **HEALS}.items()},
        server.secure: (HTTP, "The server's certificate is not valid."),
        "http://192.168.1.1/a.jpg": ("fetch_blocked_address", "This server may not fetch this address."),
    }
    good = [server.address(path) for path in GOOD]
    uploads = {upload.url: upload for upload in fetched(alice, *ends, *good)}
    assert {url: (uploads[url].error_code, uploads[url].error_message) for url in ends} == ends
    waits = {url for url, upload in uploads.items() if upload.status == Status.NEW and upload.not_before}
    assert waits == set(map(server.address, HEALS))
    assert {uploads[url].status for url in ends} == {Status.NEW, Status.FAILED}
    assert {uploads[url].status for url in good} == {Status.QUEUED}
    assert len(originals()) == len({uploads[url].source for url in good})


def test_nobody_learns_why_a_server_does_not_answer(
    alice: User, server: Misbehaving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "CONNECT", 0.3)
    monkeypatch.setattr(socket, "getaddrinfo", unknown(socket.getaddrinfo))
    uploads = fetched(
        alice, server.refused, server.filtered, f"https://{UNKNOWN}/a.jpg", server.address("/hang-up.jpg")
    )
    ends = {(upload.status, upload.error_code, upload.error_message, upload.error_detail) for upload in uploads}
    assert ends == {(Status.NEW, HTTP, "The server does not answer.", "")}


UNKNOWN = "nobody.example.com"


def unknown(ask: Callable[..., Any]) -> Callable[..., Any]:
    """A DNS that does not know one name."""

    def answer(host: Any, *rest: Any, **options: Any) -> Any:
        if host == UNKNOWN:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return ask(host, *rest, **options)

    return answer


def test_a_body_that_crawls_is_ended_before_the_time_is_over(
    alice: User, server: Misbehaving, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.FETCH_SECONDS = 30
    monkeypatch.setattr(download, "PATIENCE", 0.2)
    (upload,) = fetched(alice, server.address("/drip.jpg"))
    assert (upload.error_code, upload.error_message) == ("fetch_timeout", "The address sends the photo too slowly.")


def test_what_heals_is_fetched_three_times_and_no_more(alice: User, server: Misbehaving) -> None:
    (upload,) = fetched(alice, server.address("/broken.jpg"))
    for _ in range(3):
        Upload.objects.update(not_before=None)
        fetch.fetch_photos()
    upload.refresh_from_db()
    assert (upload.status, upload.attempts, server.requests["/broken.jpg"]) == (Status.FAILED, 3, 3)


def test_an_error_that_healed_is_forgotten(alice: User, server: Misbehaving, settings: Any) -> None:
    settings.FREE_SPACE_FLOOR = 10**18
    (upload,) = fetched(alice, server.address("/photos/1.jpg"))
    assert (upload.status, upload.error_code) == (Status.NEW, "storage_full")
    settings.FREE_SPACE_FLOOR = 0
    Upload.objects.update(not_before=None)
    fetch.fetch_photos()
    upload.refresh_from_db()
    assert (upload.status, upload.error_code, upload.error_message) == (Status.QUEUED, "", "")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7),
        ("86400", 3600),
        ("9" * 500, 3600),
        ("soon", 0),
        ("-5", 0),
        ("", 0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        (f"Wed, 21 Oct {'9' * 20} 07:28:00 GMT", 0),
        (f"Wed, 21 Oct 2015 07:28:00 +{'9' * 20}", 0),
    ],
)
def test_a_pause_that_a_busy_server_wants_is_an_hour_at_most(text: str, seconds: float) -> None:
    assert download.pause(httpx.Response(503, headers={"Retry-After": text})) == seconds
    assert download.pause(httpx.Response(500, headers={"Retry-After": text})) == 0


def test_a_pause_may_be_a_date() -> None:
    date = format_datetime(timezone.now() + timedelta(seconds=100), usegmt=True)
    assert 90 < download.pause(httpx.Response(429, headers={"Retry-After": date})) <= 100


def test_a_busy_server_is_left_alone_by_all_that_wait_for_it(alice: User, server: Misbehaving, settings: Any) -> None:
    settings.FETCHES_PER_HOST = 1
    other = server.address("/photos/9.jpg", "localhost")
    waiting = [server.address(f"/photos/{number}.jpg") for number in range(3)]
    busy, *rest, last = fetched(alice, server.address("/busy.jpg"), *waiting, other)
    assert (last.status, set(server.requests)) == (Status.QUEUED, {"/busy.jpg", "/photos/9.jpg"})
    for upload in (busy, *rest):
        assert upload.status == Status.NEW
        assert upload.not_before > timezone.now() + timedelta(seconds=100)  # type: ignore[operator]


def test_who_leads_on_to_a_busy_server_is_not_busy(alice: User, server: Misbehaving, settings: Any) -> None:
    settings.FETCHES_PER_HOST = 1
    led, after = fetched(alice, *(server.address(path, "localhost") for path in ("/to-busy.jpg", "/photos/1.jpg")))
    assert (led.error_message, after.status) == ("The address answered 429, too many requests.", Status.QUEUED)


def test_a_name_on_which_the_dns_hangs_holds_up_nobody(
    alice: User, server: Misbehaving, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask, let_go = socket.getaddrinfo, threading.Event()

    def hang(host: str, *more: Any, **other: Any) -> Any:
        if host == "localhost":
            let_go.wait(60)
        return ask(host, *more, **other)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    monkeypatch.setattr(download, "CONNECT", 0.1)
    rescue = threading.Timer(20, let_go.set)  # so that a failure ends
    rescue.start()
    paths = ("localhost", "/photos/1.jpg"), ("127.0.0.1", "/photos/2.jpg")
    hung, other = fetched(alice, *(server.address(path, host) for host, path in paths))
    assert not let_go.is_set()
    let_go.set()
    rescue.cancel()
    assert (hung.error_message, other.status) == ("The server does not answer.", Status.QUEUED)


# ---- what is kept --------------------------------------------------------------------------------------------------


def test_a_photo_that_failed_after_it_was_fetched_is_not_fetched_again(alice: User, server: Misbehaving) -> None:
    (upload,) = fetched(alice, server.address("/photos/1.jpg"))
    claim = ledger.claim(upload.pk)
    assert claim
    ledger.fail(claim, PhotoError("no_face_found"))
    ledger.retry(Upload.objects.all())
    fetch.fetch_photos()
    again = ledger.claim(upload.pk)
    assert again
    assert storage.read(again.source)
    assert server.requests["/photos/1.jpg"] == 1


def test_a_photo_that_was_never_fetched_is_fetched_by_a_retry(alice: User, server: Misbehaving) -> None:
    (upload,) = fetched(alice, server.address("/missing.jpg"))
    assert upload.status == Status.FAILED
    Upload.objects.update(url=server.address("/photos/1.jpg"))
    ledger.retry(Upload.objects.all())
    fetch.fetch_photos()
    upload.refresh_from_db()
    assert upload.status == Status.QUEUED


def test_equal_photos_of_a_job_share_one_original(alice: User, server: Misbehaving) -> None:
    uploads = fetched(alice, *(server.address(f"/same/{number}.jpg") for number in range(3)))
    assert len({upload.source for upload in uploads}) == len({upload.source_sha256 for upload in uploads}) == 1
    assert {disk.path(uploads[0].source)} == originals()
    (another,) = fetched(alice, server.address("/same/1.jpg"))  # of another job: it is deleted on its own
    assert another.source != uploads[0].source


def test_what_is_cancelled_in_the_middle_is_dropped(
    alice: User, server: Misbehaving, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.FETCH_SECONDS, settings.HEARTBEAT = 30, 0
    monkeypatch.setattr(network, "TICK", 0.05)
    job = make.products(alice, [[server.address("/silent.jpg")], [server.address("/photos/1.jpg")]])

    def meddle() -> bool:
        if server.requests["/silent.jpg"]:
            ledger.cancel(job.uploads.filter(url__endswith="silent.jpg"))
        return False

    fetch.fetch_photos(stopping=meddle)
    assert list(job.uploads.order_by("position").values_list("status", "attempts")) == [
        (Status.CANCELLED, 1), (Status.QUEUED, 0),
    ]  # fmt: skip


def test_what_is_cancelled_when_all_is_there_leaves_no_file(
    alice: User, server: Misbehaving, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = storage.take

    def cancel_then_take(parts: dict[str, storage.Part]) -> list[storage.Stored]:
        ledger.cancel(Upload.objects.filter(url__endswith="photos/1.jpg"))
        return take(parts)

    job = make.products(alice, [[server.address("/photos/1.jpg")]])
    before = originals()
    monkeypatch.setattr(storage, "take", cancel_then_take)
    fetch.fetch_photos()
    assert (job.uploads.get().status, originals()) == (Status.CANCELLED, before)


def test_a_stopping_worker_gives_back_what_runs_uncounted(
    alice: User, server: Misbehaving, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.FETCH_SECONDS = 30
    monkeypatch.setattr(network, "TICK", 0.05)
    job = make.products(alice, [[server.address("/silent.jpg")], [server.address("/drip.jpg")]])
    fetch.fetch_photos(stopping=lambda: server.requests.total() == 2)
    assert set(job.uploads.values_list("status", "attempts", "claim")) == {(Status.NEW, 0, None)}
    assert not Lease.objects.exists()


def test_what_a_dead_session_held_is_fetched_by_the_next(alice: User, server: Misbehaving) -> None:
    upload = make.products(alice, [[server.address("/photos/1.jpg")]]).uploads.get()
    assert ledger.claim_fetch(upload.pk)
    assert lease.hold(lease.FETCHING, "dead", 20)
    fetch.fetch_photos()
    assert not server.requests
    over = timezone.now() - timedelta(seconds=1)
    Upload.objects.update(lease_until=over)
    Lease.objects.update(until=over)
    ledger.sweep()
    fetch.fetch_photos()
    upload.refresh_from_db()
    assert upload.status == Status.QUEUED


# ---- in turn -------------------------------------------------------------------------------------------------------


def photos_of(server: Misbehaving, numbers: range, host: str = "127.0.0.1") -> list[list[str]]:
    return [[server.address(f"/photos/{number}.jpg", host)] for number in numbers]


def test_a_host_is_asked_for_a_few_at_once(alice: User, server: Misbehaving, settings: Any) -> None:
    settings.FETCHES_PER_HOST, settings.FETCHES = 3, 5
    server.delay = 0.2
    make.products(alice, [*photos_of(server, range(5)), *photos_of(server, range(5, 10), "localhost")])
    fetch.fetch_photos()
    assert max(server.most.values()) == 3
    assert server.most_in_all == 5
    assert set(Upload.objects.values_list("status", flat=True)) == {Status.QUEUED}


def test_what_others_fetch_from_a_host_counts(alice: User, server: Misbehaving, settings: Any) -> None:
    settings.FETCHES_PER_HOST = 1
    upload, *_ = make.products(alice, photos_of(server, range(3))).uploads.order_by("position")
    assert ledger.claim_fetch(upload.pk)
    fetch.fetch_photos()
    assert not server.requests


def test_one_persons_many_do_not_hold_up_anothers_few(
    alice: User, bob: User, server: Misbehaving, settings: Any
) -> None:
    settings.FETCHES = settings.FETCHES_PER_HOST = 1
    make.products(alice, photos_of(server, range(20)))
    make.products(alice, photos_of(server, range(20, 22)))
    make.products(bob, photos_of(server, range(30, 33)))
    fetch.fetch_photos()
    order = [int(path[8:-4]) for path in server.order]
    assert order[:8] == [0, 30, 20, 31, 1, 32, 21, 2]
    assert order[8:] == list(range(3, 20))


def test_photos_of_a_full_host_do_not_hold_up_those_of_another(alice: User, server: Misbehaving, settings: Any) -> None:
    settings.FETCHES_PER_HOST = 1
    server.delay = 0.05
    make.products(alice, [*photos_of(server, range(4)), *photos_of(server, range(4, 5), "localhost")])
    fetch.fetch_photos()
    assert server.order.index("/photos/4.jpg") < 2


def test_what_is_not_due_or_deleted_is_left_alone(alice: User, server: Misbehaving) -> None:
    later = make.products(alice, photos_of(server, range(1)))
    later.uploads.update(not_before=timezone.now() + timedelta(seconds=60))
    make.products(alice, photos_of(server, range(1, 2)), deleted_at=timezone.now())
    fetch.fetch_photos()
    assert not server.requests


@pytest.mark.parametrize(("workers", "seconds"), [(1, network.SHORT), (2, network.SHORT), (3, network.LONG)])
def test_a_session_is_long_where_two_of_them_leave_a_worker_for_the_rest(
    workers: int, seconds: float, settings: Any
) -> None:
    settings.IO_WORKERS = workers
    assert fetch.Session(lambda: False).claim_until == pytest.approx(time.monotonic() + seconds, abs=2)


@pytest.mark.django_db
def test_a_session_that_has_claimed_its_share_makes_room_for_the_next() -> None:
    first, second = (fetch.Session(lambda: False) for _ in range(2))
    assert first.hold()
    assert not second.hold()
    first.claim_until = first.held_at
    assert not first.hold()
    assert second.hold()
