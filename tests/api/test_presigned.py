"""Leave to send photos straight into a bucket, and the jobs that then name them by their keys."""

from datetime import datetime
from typing import Any

import httpx
import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from photoproc.addresses import storage_address
from processing.intake import found, posted
from processing.models import Allowance, Callback, Incoming, Job, Token, Upload
from tests import make
from tests.api.programs import program
from tests.bucket import Bucket
from tests.intake.packing import PHOTO

LEAVE, JOBS, UPLOADS = "/api/v1/uploads/presigned", "/api/v1/jobs", "/api/v1/uploads"
SHOE = {"name": "shoe.jpg", "size": len(PHOTO), "type": "image/jpeg"}


@pytest.fixture
def shop(alice: User) -> Client:
    return program(alice)


@pytest.fixture
def direct(settings: Settings) -> None:
    """A bucket that is never asked."""
    settings.STORAGE = storage_address("s3://key:secret@photos/house?region=eu-central-1&minutes=30")


def post(client: Client, path: str, body: Any, **headers: str) -> Any:
    return client.post(path, body, "application/json", headers=headers)


def asked(client: Client, *files: dict[str, Any]) -> Any:
    answer = post(client, LEAVE, {"files": files})
    assert answer.status_code == 200, answer.content
    return answer.json()


def sent(client: Client, *names: str) -> list[str]:
    """As a program does; gives the keys."""
    leaves = asked(client, *(SHOE | {"name": name} for name in names))["files"]
    for one in leaves:
        assert httpx.post(one["url"], data=one["fields"], files={"file": PHOTO}).is_success
    return [one["key"] for one in leaves]


# ---- leave -----------------------------------------------------------------------------------------------------------


def test_each_file_is_given_a_key_of_its_own_for_this_type_and_a_while(direct: None, shop: Client, alice: User) -> None:
    told = asked(shop, SHOE, SHOE | {"name": "x/hat.png", "type": "IMAGE/PNG; q=1"}, SHOE | {"type": ""})
    shoe, hat, untold = told["files"]
    assert (shoe["name"], hat["name"]) == ("shoe.jpg", "x/hat.png")
    assert shoe["url"] == "https://photos.s3.eu-central-1.amazonaws.com/"
    assert shoe["key"].startswith(f"{alice.pk}/incoming/")
    assert shoe["fields"]["key"] == f"house/{shoe['key']}"
    assert [one["fields"]["Content-Type"] for one in (shoe, hat, untold)] == [
        "image/jpeg", "image/png", "application/octet-stream",
    ]  # fmt: skip
    ends = datetime.fromisoformat(told["expires_at"]) - timezone.now()
    assert 29 < ends.total_seconds() / 60 < 30
    assert dict(Incoming.objects.values_list("key", "name")) == {one["key"]: one["name"] for one in told["files"]}


def test_what_could_not_be_taken_is_refused_in_its_place(direct: None, shop: Client, settings: Settings) -> None:
    settings.MAX_FILES = 8
    files = [
        {"size": settings.MAX_FILE_BYTES + 1}, {"size": 0}, {"type": "image/svg+xml"}, {"type": "text/html"},
        {"name": "all.zip"}, {"name": "LIST.CSV"}, {"type": "no type at all"}, {}, {},
    ]  # fmt: skip
    told = asked(shop, *(SHOE | one for one in files))["files"]
    assert [one.get("code") for one in told] == [
        "file_too_large", "failed_to_read_image", "invalid_file_type", "invalid_file_type", "only_photos",
        "only_photos", "invalid_file_type", None, "too_many_files",
    ]  # fmt: skip
    assert told[2]["detail"].startswith("Unsupported image format: SVG+XML.")
    assert Incoming.objects.count() == 1


@pytest.mark.parametrize("address", ["", "s3://key:secret@photos?direct=false"])
def test_a_house_that_people_do_not_pass_by_says_so(address: str, shop: Client, settings: Settings) -> None:
    settings.STORAGE = storage_address(address) if address else None
    answer = post(shop, LEAVE, {"files": [SHOE]})
    assert (answer.status_code, answer.json()["code"]) == (409, "no_direct_uploads")
    assert answer.json()["detail"].endswith("Send the files themselves.")


@pytest.mark.parametrize(
    "body",
    [
        {}, {"files": []}, {"files": "shoe.jpg"}, {"files": [{}]}, {"files": [SHOE | {"size": -1}]},
        {"files": [SHOE | {"size": 10**30}]}, {"files": [SHOE | {"name": "a\0b"}]}, {"files": [SHOE | {"more": 1}]},
        {"files": [SHOE | {"size": "1e5"}]}, {"files": [SHOE] * 10_001},
    ],
)  # fmt: skip
def test_what_does_not_fit_is_no_mistake_of_ours(body: Any, direct: None, shop: Client) -> None:
    answer = post(shop, LEAVE, body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert not Incoming.objects.exists()


def test_the_same_request_again_spends_no_more_leave(direct: None, shop: Client) -> None:
    first, again = (post(shop, LEAVE, {"files": [SHOE]}, **{"Idempotency-Key": "order-1"}) for _ in range(2))
    assert first.json() == again.json()
    assert Incoming.objects.count() == 1


@pytest.mark.parametrize("limit", [{"photos_a_day": 1}, {"photos_in_flight": 1}, {"stored_mb": 1}])
def test_a_limit_holds_at_this_door_too(limit: dict[str, int], direct: None, shop: Client, alice: User) -> None:
    Allowance.objects.create(owner=alice, **limit)
    answer = post(shop, LEAVE, {"files": [SHOE | {"size": 900_000}] * 2})
    assert (answer.status_code, answer.json()["code"]) == (429, "limit_reached")
    assert not Incoming.objects.exists()


def test_nobody_fills_the_bucket_with_what_no_job_names(
    direct: None, shop: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posted, "MOST", 3)
    asked(shop, SHOE, SHOE)
    assert post(shop, LEAVE, {"files": [SHOE, SHOE]}).json()["code"] == "limit_reached"
    asked(shop, SHOE)


def test_a_page_asks_with_its_session_and_csrf_token(direct: None, alice: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    assert post(client, LEAVE, {"files": [SHOE]}).status_code == 403
    page = client.get("/").content.decode()
    assert f'data-leave="{LEAVE}"' in page
    token = page.partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]
    assert post(client, LEAVE, {"files": [SHOE]}, **{"X-CSRFToken": token}).status_code == 200


# ---- keys ------------------------------------------------------------------------------------------------------------


def test_a_job_is_made_of_keys_with_all_that_a_job_has(bucket: Bucket, shop: Client) -> None:
    keys = sent(shop, "a.jpg", "b.jpg")
    fields = {"name": "Spring", "format": "jpg", "callback_url": "https://shop.example.com/told", "open": True}
    answer = post(shop, JOBS, {"s3_keys": [*keys, "nothing"], **fields})
    job = Job.objects.get()
    assert (answer.status_code, answer["Location"].endswith(f"{JOBS}/{job.pk}")) == (202, True)
    assert answer.json() == {
        "job_id": job.pk, "status": "queued", "received": 3, "accepted": 2,
        "refused": [{
            "name": "nothing", "code": "invalid_s3_key",
            "detail": "Invalid S3 key or file not accessible. Look the key up in the bucket.",
        }],
    }  # fmt: skip
    assert (job.name, job.recipe["format"], job.token, job.is_open) == ("Spring", "jpg", Token.objects.get(), True)
    assert Callback.objects.get().job == job
    more = post(shop, f"{JOBS}/{job.pk}/uploads", {"s3_keys": [sent(shop, "c.jpg")[0], keys[0]]})
    assert (more.status_code, more.json()["accepted"]) == (202, 1)
    found.bring_found(job.pk)
    assert list(job.uploads.order_by("position").values_list("name", "source_bytes")) == [
        (name, len(PHOTO)) for name in ("a.jpg", "b.jpg", "c.jpg")
    ]


def test_one_photo_comes_by_its_key_and_once_for_an_idempotency_key(bucket: Bucket, shop: Client) -> None:
    key = sent(shop, "shoe.jpg")[0]
    first, again = (post(shop, UPLOADS, {"s3_key": key}, **{"Idempotency-Key": "order-1"}) for _ in range(2))
    assert (first.status_code, first.json()) == (202, again.json())
    assert Upload.objects.get().pk == first.json()["upload_id"]
    other = post(shop, UPLOADS, {"s3_key": key})
    assert (other.status_code, other.json()["code"]) == (422, "invalid_s3_key")


def test_a_narrow_token_sends_photos_and_imports_none(bucket: Bucket, alice: User, settings: Settings) -> None:
    settings.IMPORT_PREFIX = "import/"
    bucket.put("house/import/secret.jpg", PHOTO)
    page, imported = program(alice, is_narrow=True), {"s3_keys": ["import/secret.jpg"]}
    made = post(page, JOBS, {"s3_keys": sent(page, "a.jpg"), "open": True})
    assert made.status_code == 202
    more = f"{JOBS}/{made.json()['job_id']}/uploads"
    assert [post(page, path, imported).json()["code"] for path in (JOBS, more)] == ["invalid_s3_key"] * 2
    assert [post(program(alice), path, imported).status_code for path in (JOBS, more)] == [202, 202]


def test_the_script_of_the_page_hands_keys_over_as_it_does_files(bucket: Bucket, shop: Client, as_user: Any) -> None:
    client = as_user(User.objects.get())
    recipe = {"model": "u2netp", "format": "jpg", "quality": "85", "open": "true"}
    first = client.post("/jobs/new", {**recipe, "s3_keys": sent(shop, "a.jpg", "b.jpg"), "key": "k-1"})
    assert (first.status_code, first.json()["accepted"]) == (202, 2), first.content
    more = client.post(first.json()["add_url"], {"s3_keys": [*sent(shop, "c.jpg"), "a\0b"], "key": "k-2"})
    assert (more.json()["accepted"], [one["name"] for one in more.json()["refused"]]) == (1, ["ab"])
    assert Job.objects.get().uploads.count() == 3


def test_a_job_of_somebody_else_takes_no_key(bucket: Bucket, shop: Client, olga: User) -> None:
    job = make.job(User.objects.get(username="alice"), is_open=True)
    assert post(program(olga), f"{JOBS}/{job.pk}/uploads", {"s3_keys": sent(program(olga), "a.jpg")}).status_code == 404
