"""remove.bg's operation, as its clients ask it and as they read its answers."""

import base64
import io
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image
from skimage import data

from processing import catalogue, ledger, tasks, tokens
from processing.api.dialects import removebg
from processing.api.dialects.removebg import Asked
from processing.errors import PhotoError
from processing.models import Job, Status, Upload
from processing.progress import ENDED
from processing.recipe import Recipe
from tests import make
from tests.conftest import picture

PLACE = "/v1.0/removebg"
DEFAULTS = {  # what the client from PyPI sends where its user asks for nothing
    "size": "regular", "type": "auto", "type_level": "none", "format": "auto", "roi": "0 0 100% 100%", "crop": "false",
    "scale": "original", "position": "original", "channels": "rgba", "add_shadow": "false", "semitransparency": "true",
}  # fmt: skip


@pytest.fixture
def key(alice: User) -> dict[str, str]:
    return {"X-Api-Key": tokens.make(alice, "Shop", ["read", "write"]).secret}


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The photo is worked on by the time that somebody looks."""

    def look(job_id: int) -> tuple[Upload, bool]:
        upload = Upload.objects.get(job_id=job_id)
        if upload.status == Status.QUEUED:
            make.finish(upload)
        return upload, upload.status in ENDED

    monkeypatch.setattr(removebg, "_look", look)


def photo(**values: Any) -> SimpleUploadedFile:
    return SimpleUploadedFile("shoe.jpg", picture(**values), "image/jpeg")


def asked(fields: dict[str, Any], size: tuple[int, int] | None = (4000, 3000)) -> Recipe:
    return removebg._recipe(Asked(**fields), size)


@async_to_sync
async def content(answer: Any) -> bytes:
    found = b"".join([piece async for piece in answer.streaming_content])
    await sync_to_async(answer.close)()
    return found


def errors(answer: Any) -> list[dict[str, str]]:
    assert answer["Content-Type"] == "application/json"
    found = answer.json()
    assert list(found) == ["errors"]
    assert all(list(one) == ["title", "code"] for one in found["errors"])
    return found["errors"]


# ---- what comes back ------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("at_once")
def test_the_image_comes_back_with_what_is_said_of_it(key: dict[str, str]) -> None:
    answer = Client().post(PLACE, {"image_file": photo(), "size": "auto"}, headers=key)
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/jpeg")
    assert Image.open(io.BytesIO(content(answer))).size == (80, 60)
    said = {name: answer[name] for name in ("X-Width", "X-Height", "X-Credits-Charged", "X-Type")}
    assert said == {"X-Width": "80", "X-Height": "60", "X-Credits-Charged": "0", "X-Type": "other"}
    assert [answer[f"X-Foreground-{side}"] for side in ("Top", "Left", "Width", "Height")] == ["0", "0", "80", "60"]


@pytest.mark.usefixtures("at_once")
def test_who_accepts_json_gets_json(key: dict[str, str]) -> None:
    answer = Client().post(PLACE, {"image_file": photo()}, headers={**key, "Accept": "application/json"})
    told = answer.json()["data"]
    assert list(told) == ["result_b64", "foreground_top", "foreground_left", "foreground_width", "foreground_height"]
    assert Image.open(io.BytesIO(base64.b64decode(told["result_b64"]))).size == (80, 60)
    assert answer["X-Credits-Charged"] == "0"


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("as_json", [False, True])
def test_a_photo_may_come_as_base64(as_json: bool, key: dict[str, str]) -> None:
    fields: Any = {"image_file_b64": base64.b64encode(picture()).decode(), "size": "full"}
    kind = {"content_type": "application/json"} if as_json else {}
    answer = Client().post(PLACE, json.dumps(fields) if as_json else fields, headers=key, **kind)
    assert answer.status_code == 200, answer.content
    answer.close()


@pytest.mark.usefixtures("at_once")
def test_what_clients_send_by_themselves_is_taken(key: dict[str, str]) -> None:
    answer = Client().post(PLACE, {**DEFAULTS, "image_file": photo()}, headers=key)
    assert answer.status_code == 200, answer.content
    answer.close()


@pytest.mark.usefixtures("at_once")
def test_it_is_one_photo_of_the_tokens_owner(alice: User, key: dict[str, str]) -> None:
    Client().post(PLACE, {"image_file": photo()}, headers=key).close()
    job = Job.objects.get()
    assert (job.owner, job.uploads.count(), job.token and job.token.name) == (alice, 1, "Shop")


# ---- what is asked for ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "most"),
    [("preview", 250_000), ("small", 250_000), ("regular", 250_000), ("medium", 1_500_000), ("hd", 4_000_000)],
)
def test_a_size_is_so_many_pixels_at_most(size: str, most: int) -> None:
    side = asked({"size": size}).box[0]
    assert side
    assert most * 0.99 < side * side * 3 / 4 <= most * 1.01
    assert asked({"size": size}, (300, 200)).size == ""
    unknown = asked({"size": size}, None).box[0]
    assert unknown
    assert unknown**2 <= most


@pytest.mark.parametrize("size", ["auto", "full", "4k", "50MP"])
def test_or_as_many_as_the_photo_has(size: str) -> None:
    assert asked({"size": size}).size == ""


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"bg_color": "81d4fa"}, {"background": "#81d4fa"}),
        ({"bg_color": "green", "format": "jpg"}, {"background": "green", "format": "jpg"}),
        ({"channels": "alpha"}, {"channels": "alpha"}),
        ({"crop": True, "crop_margin": "30px"}, {"trim": True, "padding": "30"}),
        ({"crop": True, "crop_margin": "10% 10%"}, {"trim": True, "padding": "10%"}),
        ({"position": "center"}, {"trim": True, "fit": "pad", "position": "center", "size": "4000x3000"}),
        ({"position": "0% 100%"}, {"fit": "pad", "position": "bottom-left"}),
        ({"position": "50% 0%"}, {"position": "top"}),
        ({"position": "100%"}, {"position": "bottom-right"}),
    ],
)
def test_options_become_a_recipe(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    recipe = asked({"size": "full", **fields})
    assert {name: getattr(recipe, name) for name in expected} == expected


def test_a_photo_is_measured_as_it_is_looked_at(key: dict[str, str], alice: User) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    assert removebg._upright(photo(width=120, exif=turned)) == (60, 120)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"format": "zip"}, "format"), ({"size": "huge"}, "size"), ({"type": "car"}, "type"),
        ({"scale": "50%"}, "scale"), ({"roi": "0 0 50% 50%"}, "roi"), ({"add_shadow": "true"}, "add_shadow"),
        ({"bg_color": "no"}, "bg_color"), ({"semitransparency": "false"}, "semitransparency"),
        ({"bg_image_url": "https://example.com/a.jpg"}, "bg_image_url"), ({"position": "33%"}, "position"),
        ({"crop": "true", "crop_margin": "1px 2px"}, "crop_margin"), ({"unheard": "of"}, "unheard"),
        ({"crop": "true", "crop_margin": "much"}, "crop_margin"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_by_its_name(fields: dict[str, str], named: str, key: dict[str, str]) -> None:
    answer = Client().post(PLACE, {**fields, "image_file": photo()}, headers=key)
    assert answer.status_code == 400
    assert named in errors(answer)[0]["title"]
    assert not Job.objects.exists()


# ---- errors in its shape --------------------------------------------------------------------------------------------


def test_no_token_and_a_wrong_one_are_403(db: None) -> None:
    for headers in ({}, {"X-Api-Key": "pho_nothing"}):
        answer = Client().post(PLACE, {"image_file": photo()}, headers=headers)
        assert answer.status_code == 403
        assert errors(answer)[0]["code"] == "auth_failed"


def test_a_token_that_only_reads_is_403(alice: User) -> None:
    headers = {"X-Api-Key": tokens.make(alice, "Shop", ["read"]).secret}
    answer = Client().post(PLACE, {"image_file": photo()}, headers=headers)
    assert (answer.status_code, errors(answer)[0]["code"]) == (403, "scope_missing")


def test_too_many_requests_are_429(key: dict[str, str], settings: Any) -> None:
    settings.API_RATE = [(1, "minute")]
    [_, answer] = [Client().post(PLACE, headers=key) for _ in range(2)]
    assert (answer.status_code, errors(answer)[0]["code"]) == (429, "rate_limit_exceeded")
    assert int(answer["Retry-After"]) > 0


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        (dict, "missing_source"),
        (lambda: {"image_file": photo(), "image_url": "https://example.com/a.jpg"}, "multiple_sources"),
        (lambda: {"image_file": [photo(), photo()]}, "invalid_request"),
        (lambda: {"image_file": SimpleUploadedFile("a.svg", b"<svg/>")}, "invalid_file_type"),
        (lambda: {"image_file": SimpleUploadedFile("a.zip", b"PK\3\4" + b"\0" * 30)}, "invalid_request"),
        (lambda: {"image_file": photo(width=5000)}, "resolution_too_high"),
        (lambda: {"image_file_b64": "no base64"}, "failed_to_read_image"),
        (lambda: {"image_url": "ftp://example.com/a.jpg"}, "invalid_image_url"),
        (lambda: {"image_url": "http://127.0.0.1/a.jpg"}, "fetch_blocked_address"),
    ],
)
def test_a_photo_that_cannot_come_in_is_400(
    fields: Callable[[], dict[str, Any]], code: str, key: dict[str, str]
) -> None:
    answer = Client().post(PLACE, fields(), headers=key)
    assert (answer.status_code, errors(answer)[0]["code"]) == (400, code)
    assert not Job.objects.filter(deleted_at=None).exists()


def test_a_photo_that_fails_is_400_with_its_reason(key: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    def look(job_id: int) -> tuple[Upload, bool]:
        claim = ledger.claim(Upload.objects.get(job_id=job_id).pk)
        assert claim
        ledger.fail(claim, PhotoError("unknown_foreground"))
        return Upload.objects.get(job_id=job_id), True

    monkeypatch.setattr(removebg, "_look", look)
    answer = Client().post(PLACE, {"image_file": photo()}, headers=key)
    assert (answer.status_code, errors(answer)[0]["code"]) == (400, "unknown_foreground")


@pytest.mark.usefixtures("at_once")
def test_the_same_key_creates_once(key: dict[str, str]) -> None:
    headers = {**key, "Idempotency-Key": "one", "Accept": "application/json"}
    first, again, other = (
        Client().post(PLACE, {"image_file": photo(quality=quality)}, headers=headers) for quality in (85, 85, 60)
    )
    assert (first.status_code, again.json()) == (200, first.json())
    assert (other.status_code, errors(other)[0]["code"]) == (400, "idempotency_key_reused")
    assert Job.objects.count() == 1


def test_of_very_many_who_wait_the_next_is_sent_away(key: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removebg, "PLACES", threading.BoundedSemaphore(1))
    with removebg.PLACES:
        answer = Client().post(PLACE, {"image_file": photo()}, headers=key)
    assert (answer.status_code, errors(answer)[0]["code"]) == (429, "rate_limit_exceeded")
    assert int(answer["Retry-After"]) > 0
    assert not Job.objects.exists()
    assert [Client().post(PLACE, headers=key).status_code for _ in range(2)] == [400, 400]


@pytest.mark.django_db(transaction=True)  # who waits lets go of the database
def test_what_takes_too_long_is_503_and_is_found_later(key: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removebg, "WAIT", 0)
    answer = Client().post(PLACE, {"image_file": photo()}, headers=key)
    assert (answer.status_code, errors(answer)[0]["code"]) == (503, "timeout")
    assert answer["Retry-After"]
    found = Client().get(answer["Location"], headers=key)
    assert found.json()["status"] == "queued"


# ---- for real -------------------------------------------------------------------------------------------------------


@pytest.fixture
def worker() -> Iterator[None]:
    """Works on whatever is queued, in a thread of its own."""
    stop = threading.Event()

    def work() -> None:
        from django.db import connection

        while not stop.wait(0.02):
            for pk in Upload.objects.filter(status=Status.QUEUED).values_list("pk", flat=True):
                tasks.process_upload(pk)
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    stop.set()
    thread.join()


@pytest.mark.weights
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("worker")
def test_a_real_photo_is_cut_out_while_its_sender_waits(key: dict[str, str]) -> None:
    sent = io.BytesIO()
    Image.fromarray(data.astronaut()).save(sent, "JPEG")
    file = SimpleUploadedFile("astronaut.jpg", sent.getvalue(), "image/jpeg")
    answer = Client().post(PLACE, {"image_file": file, "size": "full", "crop": "true"}, headers=key)
    cut = Image.open(io.BytesIO(content(answer)))
    assert (answer["Content-Type"], cut.mode) == ("image/png", "RGBA")
    assert answer["X-Model"] == catalogue.best_installed()
    assert float(answer["X-Processing-Time"]) > 0
    assert (int(answer["X-Width"]), int(answer["X-Height"])) == cut.size
    for side, length in (("Width", cut.width), ("Height", cut.height)):
        assert abs(int(answer[f"X-Foreground-{side}"]) - length) < 60
    assert int(answer["X-Foreground-Left"]) + int(answer["X-Foreground-Width"]) <= 512
