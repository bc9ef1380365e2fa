"""A bucket that is slow, answers wrongly, breaks off or is gone: each has its code, and nothing half is kept."""

import errno
from collections.abc import Callable, Iterator
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from photoproc.addresses import storage_address
from processing import storage
from processing.errors import PhotoError
from processing.storage import bucket as parts
from processing.storage import s3
from tests import bucket as buckets
from tests.bucket import Bucket, Fault, Proxy

KEY = "7/412/originals/a.png"
DATA = Random(3).randbytes(600_000)


@pytest.fixture(scope="module")
def proxy_process(bucket_process: Bucket) -> Iterator[Proxy]:
    with buckets.proxy(bucket_process) as before:
        yield before


@pytest.fixture
def proxy(proxy_process: Proxy, bucket: Bucket, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Proxy:
    """Before the bucket, where the house meets it; between two tries nobody waits."""
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda self, context: 0)
    proxy_process.turn_to(bucket)
    settings.STORAGE = storage_address(proxy_process.url)
    return proxy_process


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (parts, s3):
        monkeypatch.setattr(module, "PART", 200_000)


def opened() -> None:
    with storage.opened(KEY) as file:
        file.read()


def listed() -> None:
    list(storage.files("7/412"))


ACTS: dict[str, Callable[[], Any]] = {
    "check": storage.check,
    "write": lambda: storage.write("7/412/results/b.png", [DATA]),
    "read": lambda: storage.read(KEY),
    "opened": opened,
    "size": lambda: storage.size(KEY),
    "link": lambda: storage.link(KEY, "7/412/results/b.png"),
    "files": listed,
    "folders": lambda: list(storage.folders()),
}


@pytest.mark.parametrize("act", ACTS)
def test_an_error_that_passes_is_not_noticed_and_one_that_stays_is_told(proxy: Proxy, act: str) -> None:
    storage.write(KEY, [DATA])
    proxy.faults = [Fault(status=500)]
    ACTS[act]()
    proxy.always = Fault(status=503, code="SlowDown")
    proxy.seen.clear()
    with pytest.raises(PhotoError, match="storage_unavailable") as caught:
        ACTS[act]()
    assert (len(proxy.seen), KEY in str(caught.value), KEY in str(caught.value.values["reason"])) == (2, False, False)


def test_who_answers_slowly_is_waited_for_and_who_does_not_answer_is_not(
    bucket: Bucket, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "READ_SECONDS", 1)
    with buckets.proxy(bucket) as slow:
        settings.STORAGE = storage_address(slow.url)
        storage.write(KEY, [DATA])
        slow.always = Fault(delay=0.1)
        assert storage.read(KEY) == DATA
        slow.always = Fault(delay=1.5)
        with pytest.raises(PhotoError, match="storage_unavailable") as caught:
            storage.read(KEY)
    assert caught.value.values["reason"] == "It does not answer in time"


def test_an_answer_that_is_cut_off_is_never_taken_for_the_whole_file(proxy: Proxy) -> None:
    storage.write(KEY, [DATA])
    proxy.always, proxy.method = Fault(cut_answer=True), "GET"
    for act in ("read", "opened"):
        with pytest.raises(PhotoError, match="storage_unavailable") as caught:
            ACTS[act]()
        assert caught.value.values["reason"] == "The connection broke"
    with pytest.raises(PhotoError, match="storage_unavailable"):
        list(storage.pieces(KEY, range(10, 500_000)))


def test_a_file_that_comes_byte_by_byte_is_not_waited_for(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    storage.write(KEY, [DATA])
    monkeypatch.setattr(parts, "PATIENCE", 0.1)
    proxy.always, proxy.method = Fault(drips=True), "GET"
    with pytest.raises(PhotoError, match="storage_unavailable") as caught:
        storage.read(KEY)
    assert caught.value.values["reason"] == "It sends too slowly"


def test_who_takes_the_pieces_slowly_is_waited_for(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    storage.write(KEY, [DATA])
    now = [0.0]
    monkeypatch.setattr(parts, "time", SimpleNamespace(monotonic=lambda: now[0]))
    got = b""
    for piece in storage.pieces(KEY):
        got += piece
        now[0] += 1000
    assert got == DATA


def test_a_file_whose_sending_is_cut_off_is_sent_again_and_never_kept_in_half(proxy: Proxy, bucket: Bucket) -> None:
    proxy.faults, proxy.method = [Fault(cut_body=True)], "PUT"
    storage.write(KEY, [DATA])
    assert bucket.get(f"house/{KEY}") == DATA
    proxy.always = Fault(cut_body=True)
    with pytest.raises(PhotoError, match="storage_unavailable"):
        storage.write("7/412/results/b.png", [DATA])
    assert bucket.keys() == [f"house/{KEY}"]


def test_what_arrived_otherwise_than_it_was_sent_is_not_kept(proxy: Proxy, bucket: Bucket) -> None:
    proxy.always, proxy.method = Fault(etag="0" * 32), "PUT"
    with pytest.raises(PhotoError, match="storage_unavailable") as caught:
        storage.write(KEY, [DATA])
    assert (caught.value.values["reason"], bucket.keys()) == ("What arrived is not what was sent", [])


@pytest.mark.parametrize("size", [100, 9_000_000], ids=["whole", "in parts"])
def test_where_a_bucket_encrypts_by_a_kms_unasked_another_sum_judges(
    proxy: Proxy, bucket: Bucket, settings: Settings, size: int
) -> None:
    settings.STORAGE = storage_address(proxy.address(encryption="none"))
    proxy.always = Fault(is_kms=True)
    storage.write(KEY, [bytes(size)])
    assert bucket.get(f"house/{KEY}") == bytes(size)
    tries = len(proxy.seen)
    storage.write("7/412/results/b.png", [bytes(size)])
    assert len(proxy.seen) - tries < tries, "the second time it is known"
    assert unfinished(bucket) == 0


def test_a_store_that_wants_the_md5_of_what_is_to_be_deleted_deletes(proxy: Proxy, bucket: Bucket) -> None:
    storage.write(KEY, [DATA])
    proxy.always, proxy.method = Fault(status=400, code="MissingContentMD5", without="Content-MD5"), "POST"
    storage.delete([KEY])
    assert bucket.keys() == []


def unfinished(bucket: Bucket) -> int:
    return len(bucket.client.list_multipart_uploads(Bucket=bucket.name).get("Uploads", []))


@pytest.mark.parametrize(
    ("method", "faults"),
    [
        ("PUT", [None, *[Fault(cut_body=True)] * 2]),
        ("PUT", [None, *[Fault(status=500)] * 2]),
        ("PUT", [None, Fault(etag="0" * 32)]),
        ("POST", [None, *[Fault(status=500)] * 2]),
    ],
    ids=["cut", "500", "another ETag", "500 at the end"],
)
def test_of_a_large_file_that_does_not_arrive_no_part_stays(
    proxy: Proxy, bucket: Bucket, small_parts: None, method: str, faults: list[Fault | None]
) -> None:
    proxy.method, proxy.faults = method, faults
    with pytest.raises(PhotoError, match="storage_unavailable"):
        storage.write("7/412/archives/c.zip", [DATA])
    assert (bucket.keys(), unfinished(bucket), proxy.faults) == ([], 0, [])


def test_a_bucket_that_is_full_is_told_as_such(proxy: Proxy) -> None:
    proxy.always = Fault(status=507, code="XMinioStorageFull")
    with pytest.raises(PhotoError, match="storage_full"):
        storage.write(KEY, [DATA])


@pytest.mark.parametrize("act", ACTS)
def test_where_the_bucket_is_gone_no_file_is_said_to_be_missing(bucket: Bucket, act: str) -> None:
    bucket.vanish()
    with pytest.raises(PhotoError, match="storage_unavailable") as caught:
        ACTS[act]()
    assert caught.value.values["reason"] == "There is no bucket of this name"


@pytest.mark.parametrize("act", ACTS)
def test_where_nothing_listens_it_is_told_at_once(settings: Settings, act: str) -> None:
    settings.STORAGE = storage_address("s3://a:b@photos?endpoint=http://127.0.0.1:1")
    with pytest.raises(PhotoError, match="storage_unavailable") as caught:
        ACTS[act]()
    assert caught.value.values["reason"] == "It cannot be reached"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (
            Fault(status=403, code="InvalidAccessKeyId"),
            "It does not let us in: look at the access key and what it may do",
        ),
        (Fault(status=301), "It sends us elsewhere: look at the endpoint and the region"),
        (Fault(status=404, code="NoSuchBucket"), "There is no bucket of this name"),
        (Fault(status=400, code="ExpiredToken"), "It does not let us in: look at the access key and what it may do"),
    ],
)
def test_why_a_bucket_cannot_be_used_is_said_in_a_sentence(proxy: Proxy, fault: Fault, reason: str) -> None:
    proxy.always = fault
    with pytest.raises(PhotoError, match="storage_unavailable") as caught:
        storage.check()
    assert caught.value.values["reason"] == reason


def test_where_the_library_of_google_is_missing_it_is_said_how_to_install_it(settings: Settings) -> None:
    settings.STORAGE = storage_address("gs://photos")
    with pytest.raises(PhotoError, match="storage_unavailable") as caught:
        storage.check()
    assert str(caught.value.values["reason"]).endswith(".venv/bin/pip install google-cloud-storage")


def test_what_cannot_be_removed_is_logged(proxy: Proxy, caplog: pytest.LogCaptureFixture) -> None:
    storage.write(KEY, [DATA])
    proxy.always, proxy.method = Fault(status=500), "POST"
    storage.delete_job(7, 412)
    proxy.method = "GET"
    storage.delete_job(7, 413)
    assert (KEY in caplog.text, "7/413" in caplog.text, storage.holds(KEY)) == (True, True, True)


def test_a_scratch_disk_that_is_full_is_no_fault_of_the_bucket(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    def full(*args: Any, **more: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(parts, "SpooledTemporaryFile", full)
    with pytest.raises(PhotoError, match="scratch_full"):
        storage.write(KEY, [DATA])
    settings.FREE_SPACE_FLOOR = 10**18
    with pytest.raises(PhotoError, match="scratch_full"):
        storage.check_space()


def test_the_door_is_shut_while_the_bucket_is_gone(bucket: Bucket) -> None:
    storage.check_space(1000)
    bucket.vanish()
    with pytest.raises(PhotoError, match="storage_unavailable"):
        storage.check_space(1000)
