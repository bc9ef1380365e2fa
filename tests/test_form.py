"""A large form is parsed while it comes: nothing is written twice, and what goes wrong leaves nothing behind."""

import asyncio
import errno
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.core.signals import request_started
from django.db import close_old_connections
from django.test import Client

from photoproc import body as door
from photoproc import form
from processing import storage, tokens
from processing.intake import arriving
from processing.models import Archive, BackgroundImage, Job, ProductCsv, Upload
from processing.storage import disk
from tests.bucket import Bucket
from tests.conftest import picture
from tests.intake.packing import files_on_disk, packed

SignIn = Callable[[User], Client]
JOBS, NEW = "/api/v1/jobs", "/jobs/new"
MB = 1_000_000
CSRF = "x" * 32
PHOTO = picture(width=80) + bytes(3 * MB)  # what follows a JPEG's end belongs to no picture
EDGE = "edge"
BROKEN_OFF, SILENT = object(), object()


@pytest.fixture(autouse=True)
def scratch(db: None, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The scratch space, of this test's own; the connection is that of its transaction, which no thread here leaves."""
    monkeypatch.setattr("channels.db.close_old_connections", lambda: None)
    request_started.disconnect(close_old_connections)
    monkeypatch.setattr(door, "LINGER", 0)
    settings.TMP_DIR = tmp_path / "scratch"
    settings.TMP_DIR.mkdir()
    return Path(settings.TMP_DIR)


@pytest.fixture
def key(alice: User) -> dict[str, str]:
    return {"x-api-key": tokens.make(alice, "Shop", ["read", "write"]).secret}


def body(*files: tuple[str, bytes], field: str = "files", **fields: str) -> bytes:
    parts = [f'Content-Disposition: form-data; name="{name}"\r\n\r\n{text}'.encode() for name, text in fields.items()]
    parts += [
        f'Content-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'.encode() + data
        for name, data in files
    ]
    return b"".join(b"--%s\r\n%s\r\n" % (EDGE.encode(), part) for part in parts) + f"--{EDGE}--\r\n".encode()


def pieces(data: bytes, size: int = 200_000) -> list[Any]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def post(path: str, coming: list[Any], *, declared: int = 0, seen: Any = None, **headers: str) -> tuple[int, Any]:
    """Status and JSON of what is answered; 0 where nothing is. `seen` hears before each piece how many came."""
    told: list[Any] = []
    waiting = list(coming)

    async def receive() -> Any:
        if seen:
            seen(len(coming) - len(waiting))
        await asyncio.sleep(0)
        piece = waiting.pop(0) if waiting else SILENT
        if piece is SILENT:
            await asyncio.sleep(3600)
        if piece is BROKEN_OFF:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": piece, "more_body": bool(waiting)}

    async def send(message: Any) -> None:
        told.append(message)

    size = declared or sum(len(piece) for piece in coming if isinstance(piece, bytes))
    named = {"content-length": str(size), "content-type": f"multipart/form-data; boundary={EDGE}", **headers}
    scope = {
        "type": "http", "method": "POST", "path": path, "query_string": b"", "client": ("192.0.2.7", 1),
        "headers": [(name.encode(), value.encode()) for name, value in {"host": "localhost", **named}.items()],
    }  # fmt: skip
    async_to_sync(door.BodyLimit(form.Handler()))(scope, receive, send)
    if not told:
        return 0, None
    return told[0]["status"], json.loads(b"".join(message.get("body", b"") for message in told[1:]) or b"null")


# ---- what comes in ---------------------------------------------------------------------------------------------------


def of_session(client: Client, token: str = CSRF) -> dict[str, str]:
    return {"cookie": f"sessionid={client.cookies['sessionid'].value}; csrftoken={CSRF}", "x-csrftoken": token}


def test_each_byte_is_written_once_while_it_comes(
    key: dict[str, str], scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk.Disk, "write", None)
    photos = [(f"{number}.jpg", PHOTO + bytes([number])) for number in range(3)]
    coming, behind = pieces(body(*photos, name="Spring", format="jpg")), []

    def seen(count: int) -> None:
        lying = sum(file.stat().st_size for file in scratch.iterdir())
        behind.append(sum(map(len, coming[:count])) - lying)

    status, answer = post(JOBS, coming, seen=seen, **key)
    assert (status, answer["accepted"]) == (202, 3)
    assert max(behind) < form.AT_ONCE + 400_000, "no more is held in memory"
    job = Job.objects.get()
    assert (job.name, job.recipe["format"]) == ("Spring", "jpg")
    uploads = list(job.uploads.order_by("position"))
    assert [storage.read(upload.source) for upload in uploads] == [data for _, data in photos]
    assert [upload.source_sha256 for upload in uploads] == [hashlib.sha256(data).hexdigest() for _, data in photos]
    assert not list(scratch.iterdir())


def test_the_page_takes_photos_and_zips_so(alice: User, as_user: SignIn, scratch: Path) -> None:
    files = body(("a.jpg", PHOTO), ("b.zip", packed({"c.jpg": PHOTO})), model="u2netp")
    status, answer = post(NEW, pieces(files), **of_session(as_user(alice)))
    assert (status, answer["accepted"], Archive.objects.count(), list(scratch.iterdir())) == (202, 2, 1, [])


def test_a_csv_and_a_background_come_by_the_same_door(key: dict[str, str], scratch: Path) -> None:
    rows = "".join(f"{row},Cup,https://img.example.com/{row}.jpg,{'blue ' * 5000}\n" for row in range(120))
    csv = f"S. No.,Product Name,Input Image Urls,Colour\n{rows}".encode()
    assert post(JOBS, pieces(body(("a.csv", csv), preflight="true")), **key)[0] == 202
    assert storage.read(ProductCsv.objects.get().key) == csv
    assert post("/api/v1/backgrounds", pieces(body(("a.jpg", PHOTO), field="file")), **key)[0] == 201
    assert storage.read(BackgroundImage.objects.get().key) == PHOTO
    assert not list(scratch.iterdir())


def test_a_bucket_gets_what_came_from_where_it_lies(
    key: dict[str, str], bucket: Bucket, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("processing.storage.bucket.SpooledTemporaryFile", None)
    assert post(JOBS, pieces(body(("a.jpg", PHOTO))), **key)[0] == 202
    assert storage.read(Upload.objects.get().source) == PHOTO
    assert not list(scratch.iterdir())


def test_a_scratch_space_on_another_disk_will_do(
    key: dict[str, str], scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr("os.link", link)
    assert post(JOBS, pieces(body(("a.jpg", PHOTO))), **key)[0] == 202
    assert storage.read(Upload.objects.get().source) == PHOTO
    assert not list(scratch.iterdir())


def test_what_was_taken_can_be_taken_again(alice: User) -> None:
    """As by a request that finds, at the last moment, that another had thought it dead."""
    handler = arriving.Handler()
    handler.new_file("files", "a.jpg", "image/jpeg", None)
    handler.receive_data_chunk(PHOTO, 0)
    file = handler.file_complete(len(PHOTO))
    keys = [storage.new_key(alice.pk, 412, "originals", "jpeg") for _ in range(2)]
    assert [arriving.take([key], [file])[0].bytes for key in keys] == [len(PHOTO)] * 2
    storage.delete(keys[:1])
    handler.close()
    assert storage.read(keys[1]) == PHOTO


# ---- what goes wrong -------------------------------------------------------------------------------------------------


@pytest.fixture
def nothing_stays(scratch: Path, key: dict[str, str]) -> Iterator[None]:
    storage.check()
    before = files_on_disk()
    yield
    assert (list(scratch.iterdir()), files_on_disk(), Job.objects.exists()) == ([], before, False)


@pytest.mark.usefixtures("nothing_stays")
@pytest.mark.parametrize("at", [1, 5, 12, 20])
def test_who_goes_away_in_the_middle_leaves_nothing(at: int, key: dict[str, str]) -> None:
    data = body(("a.jpg", PHOTO), ("b.jpg", PHOTO))
    assert post(JOBS, [*pieces(data)[:at], BROKEN_OFF], declared=len(data), **key) == (0, None)


@pytest.mark.usefixtures("nothing_stays")
def test_who_falls_silent_is_told_so(key: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "PATIENCE", 0.01)
    data = body(("a.jpg", PHOTO))
    status, answer = post(JOBS, [*pieces(data)[:3], SILENT], declared=len(data), **key)
    assert (status, answer["code"]) == (408, "request_timeout")


@pytest.mark.parametrize(("size", "expected"), [(50_000, (408, 10)), (110_000, (202, 28))])
def test_so_is_who_sends_too_little_in_the_time_that_is_waited(
    size: int, expected: tuple[int, int], key: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second goes by until each piece comes; in ten, a megabyte must be here."""
    monkeypatch.setattr(door, "PATIENCE", 10.0)
    monkeypatch.setattr(door, "SLOWEST", MB / 10)
    clock, came = count(), [0]
    monkeypatch.setattr(door, "monotonic", lambda: next(clock))
    status, _ = post(JOBS, pieces(body(("a.jpg", PHOTO)), size), seen=came.append, **key)
    assert (status, max(came)) == expected


@pytest.mark.usefixtures("nothing_stays")
def test_so_is_who_sends_no_form(key: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "PATIENCE", 0.01)
    status, answer = post(JOBS, [b"{", SILENT], declared=9, **{**key, "content-type": "application/json"})
    assert (status, answer["code"]) == (408, "request_timeout")


def test_the_place_of_a_form_is_free_again_when_all_of_it_is_here_or_it_fails(
    key: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    places, was_free = threading.BoundedSemaphore(1), []
    monkeypatch.setattr(form, "PLACES", places)

    def seen(count: int) -> None:
        was_free.append(places.acquire(blocking=False))

    data = body(("a.jpg", PHOTO))
    assert post(JOBS, [*pieces(data)[:3], BROKEN_OFF], declared=len(data), seen=seen, **key)[0] == 0
    assert not any(was_free)
    assert post(JOBS, pieces(data), **key)[0] == 202
    assert places.acquire(blocking=False)
    status, answer = post(JOBS, pieces(data), seen=was_free.append, **key)
    assert (status, answer["code"]) == (503, "server_busy")


@pytest.mark.usefixtures("nothing_stays")
def test_a_body_that_lies_about_its_length_is_cut_off_in_the_middle(key: dict[str, str], settings: Any) -> None:
    settings.MAX_BODY_BYTES = 4 * MB
    status, answer = post(JOBS, pieces(body(("a.jpg", PHOTO), ("b.jpg", PHOTO))), declared=3 * MB, **key)
    assert (status, answer["code"]) == (413, "body_too_large")


@pytest.mark.usefixtures("nothing_stays")
def test_a_disk_that_others_fill_meanwhile_is_told(key: dict[str, str], settings: Any) -> None:
    def seen(count: int) -> None:
        settings.FREE_SPACE_FLOOR = 10**18 if count > 5 else 0

    status, answer = post(JOBS, pieces(body(("a.jpg", PHOTO), ("b.jpg", PHOTO))), seen=seen, **key)
    assert (status, answer["code"]) == (507, "storage_full")


@pytest.mark.usefixtures("nothing_stays")
def test_so_is_one_that_takes_no_more(key: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    def write(part: storage.Part, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(storage.Part, "write", write)
    status, answer = post(JOBS, pieces(body(("a.jpg", PHOTO))), **key)
    assert (status, answer["code"]) == (507, "storage_full")


@pytest.mark.usefixtures("nothing_stays")
def test_a_form_that_cannot_be_read_is_refused(key: dict[str, str]) -> None:
    wrong = f"multipart/form-data; boundary={'x' * 300}"
    status, answer = post(JOBS, pieces(body(("a.jpg", PHOTO))), **{**key, "content-type": wrong})
    assert (status, answer["code"]) == (400, "invalid_request")


@pytest.mark.usefixtures("nothing_stays")
@pytest.mark.parametrize("charset", ["hex", "undefined", "rot13", "idna"])
@pytest.mark.parametrize("size", [10, len(PHOTO)])
def test_so_is_one_in_an_encoding_that_is_none_of_text(charset: str, size: int, key: dict[str, str]) -> None:
    named = {**key, "content-type": f"multipart/form-data; boundary={EDGE}; charset={charset}"}
    status, answer = post(JOBS, pieces(body(("a.jpg", PHOTO[:size]))), **named)
    assert (status, answer["code"]) == (400, "invalid_request")


def test_one_in_another_encoding_of_text_is_read(alice: User, as_user: SignIn) -> None:
    named = {**of_session(as_user(alice)), "content-type": f"multipart/form-data; boundary={EDGE}; charset=latin-1"}
    assert post(NEW, pieces(body(("a.jpg", PHOTO), model="u2netp")), **named)[0] == 202


@pytest.mark.usefixtures("nothing_stays")
@pytest.mark.parametrize("headers", [{}, {"x-api-key": "pho_wrong"}, {"cookie": "sessionid=stolen"}])
def test_a_strangers_form_never_reaches_the_disk(headers: dict[str, str], scratch: Path) -> None:
    def seen(count: int) -> None:
        assert not list(scratch.iterdir())

    status, answer = post(JOBS, pieces(body(("a.jpg", PHOTO))), seen=seen, **headers)
    assert (status, answer["code"]) == (401, "not_authenticated")
    assert post(JOBS, pieces(body(("a.jpg", PHOTO[: MB // 2]))), seen=seen, **headers)[0] == 401


@pytest.mark.usefixtures("nothing_stays")
def test_a_wrong_csrf_token_leaves_nothing(alice: User, as_user: SignIn) -> None:
    headers = of_session(as_user(alice), token="y" * 32)
    assert post("/api/v1/jobs", pieces(body(("a.jpg", PHOTO))), **headers)[0] == 403


@pytest.mark.usefixtures("nothing_stays")
def test_of_a_photo_that_is_too_large_no_more_is_written_than_one_may_have(
    key: dict[str, str], scratch: Path, settings: Any
) -> None:
    settings.MAX_FILE_BYTES, most = MB, [0]

    def seen(count: int) -> None:
        most.append(sum(file.stat().st_size for file in scratch.iterdir()))

    status, answer = post(JOBS, pieces(body(("a.jpg", PHOTO))), seen=seen, **key)
    assert (status, answer["code"]) == (422, "file_too_large")
    assert "(3.1MB)" in answer["detail"], "as large as it was"
    assert max(most) <= MB + 64 * 1024
