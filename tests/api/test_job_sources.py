"""What a job is made of: files, a ZIP, a CSV, addresses; and all that is refused."""

import json
from typing import Any

import pytest
from django.conf import settings as house
from django.contrib.auth.models import User
from django.test import Client
from django.test.client import BOUNDARY, encode_multipart
from django.test.client import MULTIPART_CONTENT as MULTIPART
from django.utils.http import urlencode

from processing import presets
from processing.api import body as body_module
from processing.api.problems import Invalid
from processing.intake import fetch
from processing.models import Callback, Job, Token, Upload
from processing.recipe import Recipe
from tests.api.programs import program
from tests.intake.packing import PHOTO, files_on_disk, packed, sent
from tests.misbehaving import Misbehaving

JOBS = "/api/v1/jobs"
URLS = ["https://img.example.com/1.jpg", "https://img.example.com/2.jpg"]
CSV = b"S. No.,Product Name,Input Image Urls\n1,Shoe,https://img.example.com/1.jpg\n2,Hat,ftp://img.example.com\n"


@pytest.fixture
def shop(alice: User) -> Client:
    return program(alice)


def post(client: Client, body: Any, path: str = JOBS, **more: Any) -> Any:
    return client.post(path, body if isinstance(body, bytes) else json.dumps(body), "application/json", **more)


def problem(answer: Any, status: int, code: str) -> Any:
    """The problem that this answer is; nothing was made."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    told = answer.json()
    assert (told["status"], told["code"]) == (status, code)
    assert not Job.objects.exists()
    return told


def pointers(answer: Any) -> dict[str, str]:
    return {one["pointer"]: one["detail"] for one in problem(answer, 422, "invalid_request")["errors"]}


# ---- what comes in -------------------------------------------------------------------------------------------------


def test_files_become_a_job_with_their_recipe(shop: Client, alice: User) -> None:
    fields = {"background": "#fff", "format": "jpg", "quality": "70", "variants": "small web", "name": "Spring"}
    answer = shop.post(JOBS, {"files": [sent("a.jpg"), sent("b.jpg")], **fields})
    job = Job.objects.get()
    assert answer.status_code == 202
    assert answer["Location"] == f"{house.URL}{JOBS}/{job.pk}"
    assert answer.json() == {"job_id": job.pk, "status": "queued", "received": 2, "accepted": 2, "refused": []}
    assert (job.owner, job.token, job.name) == (alice, Token.objects.get(), "Spring")
    assert job.recipe == Recipe(background="#fff", format="jpg", quality=70, variants=("small", "web")).to_json()
    assert not job.is_open


def test_a_zip_becomes_a_job_and_one_bad_file_never_refuses_the_others(shop: Client) -> None:
    answer = shop.post(
        JOBS, {"files": [sent("p.zip", packed({"a.jpg": PHOTO, "b.txt": b"b"})), sent("n.jpg", b"text")]}
    )
    told = answer.json()
    assert (answer.status_code, told["received"], told["accepted"]) == (202, 3, 1)
    assert {one["code"] for one in told["refused"]} == {"archive_entry_skipped", "invalid_file_type"}
    assert shop.get(answer["Location"]).json()["refused"] == sorted(told["refused"], key=told["refused"].index)


def test_the_101st_file_is_refused_and_the_others_run(shop: Client) -> None:
    told = shop.post(JOBS, {"files": [sent(f"{number}.jpg") for number in range(101)]}).json()
    assert (told["received"], told["accepted"]) == (101, 100)
    assert [(one["name"], one["code"]) for one in told["refused"]] == [("100.jpg", "too_many_files")]


def test_where_nothing_is_accepted_it_is_a_problem_with_every_refusal(shop: Client) -> None:
    told = problem(
        shop.post(JOBS, {"files": [sent("a.jpg", b"text"), sent("b.svg", b"<svg/>")]}), 422, "invalid_file_type"
    )
    assert (told["job_id"], told["received"], told["accepted"], len(told["refused"])) == (None, 2, 0, 2)
    assert not files_on_disk()


@pytest.mark.parametrize("form", [False, True])
def test_addresses_are_judged_one_by_one_and_fetched_later(shop: Client, form: bool) -> None:
    urls = [*URLS, URLS[0], "ftp://img.example.com/3.jpg", "http://10.0.0.1/4.jpg"]
    answer = shop.post(JOBS, {"image_urls": urls, "quality": "60"}) if form else post(shop, {"image_urls": urls})
    told, job = answer.json(), Job.objects.get()
    assert (answer.status_code, told["received"], told["accepted"]) == (202, 4, 2)
    assert {one["name"]: one["code"] for one in told["refused"]} == {
        urls[3]: "invalid_image_url", urls[4]: "fetch_blocked_address"
    }  # fmt: skip
    rows = job.uploads.order_by("position").values_list("url", "host", "status", "name")
    assert list(rows) == [(url, "img.example.com", "new", url[-5:]) for url in URLS]
    assert job.name == "1 and 1 more"


def test_a_photo_of_an_address_is_fetched_and_retried_like_any_other(shop: Client, settings: Any) -> None:
    server = Misbehaving()
    settings.FETCH_ALLOW = server.allow
    urls = [server.address("/photos/1.jpg"), server.address("/missing.jpg")]
    path = f"{JOBS}/{post(shop, {'image_urls': urls}).json()['job_id']}"
    fetch.fetch_photos()
    server.stop()
    assert list(Upload.objects.order_by("position").values_list("status", flat=True)) == ["queued", "failed"]
    assert shop.post(f"{path}/cancel").json() == {"cancelled": 1}
    assert shop.post(f"{path}/retry").json() == {"retried": 2}
    assert list(Upload.objects.order_by("position").values_list("status", flat=True)) == ["queued", "new"]


def test_the_101st_address_is_refused_too(shop: Client) -> None:
    told = post(shop, {"image_urls": [f"https://img.example.com/{number}.jpg" for number in range(101)]}).json()
    assert (told["accepted"], [one["code"] for one in told["refused"]]) == (100, ["too_many_files"])


def test_a_bucket_is_not_set_up_here(shop: Client) -> None:
    told = problem(post(shop, {"s3_keys": ["a.jpg", "b.jpg"]}), 422, "invalid_s3_key")
    assert [one["name"] for one in told["refused"]] == ["a.jpg", "b.jpg"]


def test_a_csv_starts_at_once_with_its_own_recipe(shop: Client) -> None:
    answer = shop.post(JOBS, {"files": sent("spring.csv", CSV), "callback_url": "https://shop.example.com/told"})
    job = Job.objects.get()
    assert answer.json() == {"job_id": job.pk, "status": "queued", "received": 1, "accepted": 1, "refused": []}
    assert (job.is_draft, job.is_open, job.uploads.count()) == (False, False, 1)
    assert job.recipe == presets.BUILT_IN["compress"].recipe.to_json()
    assert (job.callback.url, job.token) == ("https://shop.example.com/told", Token.objects.get())


def test_a_csv_waits_for_start_when_asked_to(shop: Client) -> None:
    told = shop.post(
        JOBS, {"files": sent("spring.csv", CSV), "preflight": "true", "quality": "70", "name": "May"}
    ).json()
    job = Job.objects.get()
    assert (told["status"], job.is_draft, job.name, job.recipe["quality"]) == ("draft", True, "May", 70)
    assert shop.post(f"{JOBS}/{job.pk}/start").json()["status"] == "queued"
    again = shop.post(f"{JOBS}/{job.pk}/start")
    assert (again.status_code, again.json()["code"]) == (409, "csv_started")


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (CSV.replace(b"https", b"ftp"), 422, "csv_nothing_to_run"),
        (b"a,b\n1,2\n", 422, "csv_bad_header"),
        (b"", 422, "csv_unreadable"),
    ],
)
def test_a_csv_that_cannot_run_makes_no_job(shop: Client, data: bytes, status: int, code: str) -> None:
    problem(shop.post(JOBS, {"files": sent("spring.csv", data)}), status, code)
    assert not files_on_disk()


def test_a_preset_is_named_or_numbered_and_what_is_sent_changes_it(shop: Client, alice: User, bob: User) -> None:
    own = presets.save(alice, "Ours", Recipe(quality=33, format="jpg"))
    others = presets.save(bob, "Theirs", Recipe())
    for preset, quality in (("white", 85), ("Ours", 33), (own.pk, 33), (str(own.pk), 33)):
        pk = post(shop, {"image_urls": URLS, "preset": preset, "trim": True}).json()["job_id"]
        recipe = Job.objects.get(pk=pk).recipe
        assert (recipe["quality"], recipe["format"], recipe["trim"]) == (quality, "jpg", True)
    Job.objects.all().delete()
    for preset in ("Nobody's", "Theirs", others.pk, 10**30):
        assert pointers(post(shop, {"image_urls": URLS, "preset": preset})) == {
            "#/preset": "There is no such preset here."
        }


def test_an_open_job_takes_more_until_it_is_closed(shop: Client) -> None:
    pk = post(shop, {"open": True}).json()["job_id"]
    more = f"{JOBS}/{pk}/uploads"
    assert shop.post(more, {"files": sent("a.jpg")}).status_code == 202
    told = post(shop, {"image_urls": [*URLS, "nothing"]}, more).json()
    assert (told["job_id"], told["received"], told["accepted"]) == (pk, 3, 2)
    assert shop.post(more, {"files": sent("b.jpg", b"text")}).status_code == 422
    assert post(shop, {"image_urls": URLS}, more).json()["accepted"] == 0  # they are there already
    assert shop.post(f"{JOBS}/{pk}/close").json()["open"] is False
    for body in ({"files": sent("c.jpg")}, {"image_urls": URLS}):
        late = shop.post(more, body)
        assert (late.status_code, late.json()["code"]) == (409, "job_closed")
    assert Job.objects.get().uploads.count() == 3


def test_closing_a_job_without_photos_removes_it(shop: Client) -> None:
    pk = post(shop, {"open": True}).json()["job_id"]
    assert shop.post(f"{JOBS}/{pk}/close").status_code == 204
    assert not Job.objects.exists()


def test_a_callback_is_written_down_with_the_job_or_refused_with_it(shop: Client) -> None:
    for source in ({"image_urls": URLS}, {"files": sent("a.jpg")}, {"files": sent("a.csv", CSV)}):
        problem(shop.post(JOBS, source | {"callback_url": "http://10.0.0.1/"}), 422, "fetch_blocked_address")
    assert not files_on_disk()
    for source in ({"image_urls": URLS}, {"files": sent("a.jpg")}):
        shop.post(JOBS, source | {"callback_url": "https://shop.example.com/told"})
    assert [(one.url, one.shape) for one in Callback.objects.all()] == [("https://shop.example.com/told", "event")] * 2


@pytest.mark.parametrize(
    ("path", "field", "fields"),
    [
        (JOBS, "files", {"callback_url": "https://shop.example.com/told"}),
        ("/api/v1/uploads", "file", {"callback_url": "https://shop.example.com/told"}),
        ("/upload/", "file", {"webhook_url": "https://shop.example.com/told"}),
    ],
)
def test_who_visits_a_page_has_nobody_told(path: str, field: str, fields: dict[str, str], alice: User) -> None:
    visitor = program(alice, is_narrow=True)
    file = sent("spring.csv", CSV) if path == "/upload/" else sent("a.jpg")
    problem(visitor.post(path, {field: file, **fields}), 403, "not_permitted")
    assert not files_on_disk()


def test_a_page_of_ours_sends_with_its_session(alice: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    assert client.post(JOBS, {"files": sent("a.jpg")}).status_code == 403
    token = client.get("/account/").context["csrf_token"]
    assert client.post(JOBS, {"files": sent("a.jpg")}, headers={"X-CSRFToken": str(token)}).status_code == 202
    assert Job.objects.get().token is None


# ---- what does not -------------------------------------------------------------------------------------------------


def test_nothing_and_two_sources_are_refused(shop: Client) -> None:
    nothing: tuple[Any, ...] = (b"", {}, {"image_urls": []}, {"quality": 60})
    for body in nothing:
        problem(post(shop, body), 422, "missing_source")
    problem(shop.post(JOBS, {"files": sent("a.jpg"), "image_urls": URLS[0]}), 422, "multiple_sources")
    problem(post(shop, {"image_urls": URLS, "s3_keys": ["a.jpg"]}), 422, "multiple_sources")
    assert not files_on_disk()


def test_unknown_fields_and_wrong_types_are_pointed_at(shop: Client) -> None:
    odd = {"sparkle": 1, "quality": 101, "remove_bg": "maybe", "a/b~": 1}
    assert pointers(post(shop, odd | {"image_urls": [URLS[0], 5]})) == {
        "#/image_urls/1": "A text belongs here.", "#/sparkle": "There is no such field.",
        "#/a~1b~0": "There is no such field.", "#/quality": "That is too much: 100 at most.",
        "#/remove_bg": "It is true or false.",
    }  # fmt: skip
    assert set(pointers(shop.post(JOBS, {"files": sent("a.jpg"), "format": "bmp"}))) == {"#/format"}
    misplaced = shop.post(JOBS, {"quality": sent("a.jpg"), "photo": sent("b.jpg")})
    assert set(pointers(misplaced)) == {"#/quality", "#/photo"}
    assert set(pointers(shop.post(JOBS, {"files": sent("a.jpg"), "quality": ["1", "2"]}))) == {"#/quality"}
    assert pointers(post(shop, {"image_urls": {"a": "b"}, "name": "n" * 201})) == {
        "#/image_urls": "A list belongs here.", "#/name": "That is too long: 200 characters at most.",
    }  # fmt: skip
    others: tuple[Any, ...] = ([], "text", 5, None)
    for body in others:
        assert pointers(post(shop, body)) == {"#": "An object belongs here."}


def test_a_field_of_the_recipe_that_does_not_go_with_the_preset_is_told(shop: Client) -> None:
    told = pointers(post(shop, {"image_urls": URLS, "preset": "square", "padding": "600"}))
    assert told == {"#/size": "The margin leaves no room inside the size."}


@pytest.mark.parametrize(
    "body",
    [
        b"{", b"{'a': 1}", b'{"name": "\xff"}', b'{"name": "caf\xe9"}', b'{"quality": NaN}', b'{"quality": -Infinity}',
        b'{"quality": 1e999}', b'{"quality": ' + b"9" * 5000 + b"}", b'{"name": ' + b"[" * 100_000,
        b'{"name": ' + b'{"a":' * 5000 + b"1" + b"}" * 5001, "{}".encode("utf-16"),
    ],
)  # fmt: skip
def test_json_that_is_not_json_is_400(shop: Client, body: bytes) -> None:
    problem(post(shop, body), 400, "invalid_json")


def test_of_very_many_mistakes_the_first_are_told(shop: Client) -> None:
    assert len(pointers(post(shop, {"image_urls": list(range(500))}))) == 100
    told = pointers(post(shop, {"image_urls": ["a"] * 10_001}))
    assert told == {"#/image_urls": "That is too many: 10000 at most."}


def test_what_no_database_keeps_is_pointed_at(shop: Client) -> None:
    assert set(pointers(post(shop, b'{"name": "a\\u0000b", "image_urls": ["\\ud800"]}'))) == {
        "#/name",
        "#/image_urls/0",
    }
    assert set(pointers(post(shop, b'{"na\\u0000me": "a"}'))) == {"#/na\0me"}
    assert set(pointers(shop.post(JOBS, {"name": "a\0b"}))) == {"#/name"}
    assert set(pointers(shop.post(JOBS, "name=a%00b", "application/x-www-form-urlencoded"))) == {"#/name"}


def test_numbers_beyond_all_measure_are_no_mistake_of_ours(shop: Client) -> None:
    for field in ("quality", "max_bytes", "dpi"):
        answer = post(
            shop, b'{"image_urls": ["https://img.example.com/1.jpg"], "%s": 1%s}' % (field.encode(), b"0" * 30)
        )
        assert answer.status_code in (202, 422), answer.content


@pytest.mark.parametrize(
    ("type_", "body", "status", "code"),
    [
        ("text/plain", b"a photo", 415, "unsupported_media_type"),
        ("", b"a photo", 415, "unsupported_media_type"),
        ("application/xml", b"<a/>", 415, "unsupported_media_type"),
        ("multipart/form-data; boundary=b; charset=utf-7", b"--b--", 415, "unsupported_media_type"),
        ("application/x-www-form-urlencoded; charset=latin-1", b"name=%E4", 415, "unsupported_media_type"),
        ("multipart/form-data", b"no boundary", 400, "invalid_request"),
        ("multipart/form-data; boundary=" + "b" * 300, b"--b--", 400, "invalid_request"),
        ("application/x-www-form-urlencoded", b"&".join(b"a=1" for _ in range(11_001)), 400, "invalid_request"),
    ],
)
def test_a_body_of_another_kind_is_refused(shop: Client, type_: str, body: bytes, status: int, code: str) -> None:
    problem(shop.generic("POST", JOBS, body, type_), status, code)


def test_two_csvs_are_one_too_many(shop: Client) -> None:
    pair = [sent("spring.csv", CSV), sent("autumn.csv", CSV)]
    told = problem(shop.post(JOBS, {"files": pair}), 422, "csv_not_alone")
    assert told["detail"] == "One CSV at a time. Send it without other files."
    assert [one["name"] for one in told["refused"]] == ["spring.csv", "autumn.csv"]


@pytest.mark.parametrize("type_", ["application/json", "application/x-www-form-urlencoded", MULTIPART])
def test_text_that_is_too_much_is_413(shop: Client, type_: str) -> None:
    fields = {"name": "a" * 1_000_001}
    as_text = {"application/json": json.dumps(fields), MULTIPART: encode_multipart(BOUNDARY, fields)}
    body = as_text.get(type_, urlencode(fields))
    problem(shop.generic("POST", JOBS, body, type_), 413, "body_too_large")


def test_json_of_very_many_values_is_refused_before_they_are_made(shop: Client) -> None:
    bodies: tuple[Any, ...] = ({"image_urls": [0] * 50_001}, [[]] * 50_000, dict.fromkeys(map(str, range(50_001))))
    for body in bodies:
        told = problem(post(shop, body), 400, "invalid_json")
        assert "more than 50,000 values" in told["detail"]


def test_no_error_is_made_of_what_nobody_is_told(shop: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def invalid(errors: list[Any]) -> Invalid:
        made.append(len(errors))
        return Invalid([])

    monkeypatch.setattr(body_module, "invalid", invalid)
    post(shop, dict.fromkeys(map(str, range(10_000))) | {"quality": 101})
    assert made == [101]


def test_an_urlencoded_form_is_read(shop: Client) -> None:
    body = f"image_urls={URLS[0]}&image_urls={URLS[1]}&format=webp"
    answer = shop.post(JOBS, body, "application/x-www-form-urlencoded")
    assert (answer.status_code, answer.json()["accepted"]) == (202, 2)
    assert Job.objects.get().recipe["format"] == "webp"


def test_a_model_that_is_not_here_is_refused_with_what_installs_it(shop: Client) -> None:
    told = problem(post(shop, {"image_urls": URLS, "model": "isnet-anime"}), 422, "model_not_installed")
    assert "fetch_weights isnet-anime" in told["detail"]


def test_photos_cannot_wait_for_a_start(shop: Client) -> None:
    answer = shop.post(JOBS, {"files": sent("a.jpg", PHOTO), "preflight": "true"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/preflight")
    assert not Job.objects.exists()


def test_a_text_where_a_file_belongs_says_so_and_an_empty_one_is_none(shop: Client) -> None:
    answer = shop.post(JOBS, {"files": "shoe.jpg"})
    assert (answer.status_code, answer.json()["errors"]) == (
        422, [{"detail": "A file belongs here.", "pointer": "#/files"}],
    )  # fmt: skip
    assert shop.post(JOBS, {"files": ""}).json()["code"] == "missing_source"
    assert not Job.objects.exists()
