"""Every address, walked as nobody, as a stranger, as the owner, as an operator: `classified` says whose each is."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.http import Http404
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from processing import access, backgrounds, presets, tokens
from processing.models import BackgroundImage, Job, Preset, ProductRow, Upload
from processing.recipe import Recipe
from tests import make
from tests.conftest import picture
from tests.web.classified import (
    DELETED_JOB_WRITE,
    JOB_READ,
    JOB_WRITE,
    KEPT,
    LINKS,
    NOWHERE,
    OPEN,
    OPERATOR,
    OPERATOR_MODEL,
    PERSON,
    PHOTO_READ,
    PHOTO_WRITE,
    PRESET_OPERATOR,
    PRESET_READ,
    PRESET_WRITE,
    PRODUCT_READ,
    PRODUCT_WRITE,
    QUEUE_READ,
    QUEUE_WRITE,
    ROW_WRITE,
    WALKED_ELSEWHERE,
    WEBHOOKS,
)

SignIn = Callable[[User], Client]


def patterns(resolver: URLResolver) -> Iterator[URLPattern]:
    for entry in resolver.url_patterns:
        if isinstance(entry, URLPattern):
            yield entry
        elif entry.namespace not in WALKED_ELSEWHERE:
            yield from patterns(entry)


def address(name: str, upload: Upload) -> str:
    if name == "photo-file":
        return reverse(name, args=[upload.pk, "original"])
    return reverse(name, args=[upload.pk if name in PHOTO_READ else upload.job_id])


def test_every_route_is_classified() -> None:
    names = {entry.name for entry in patterns(get_resolver())}
    jobs = JOB_READ | JOB_WRITE | DELETED_JOB_WRITE | PHOTO_READ
    csvs = PRODUCT_READ | PRODUCT_WRITE | ROW_WRITE | LINKS
    operators = OPERATOR | OPERATOR_MODEL | QUEUE_READ | QUEUE_WRITE
    assert names == OPEN | PERSON | jobs | csvs | operators | KEPT | WEBHOOKS | NOWHERE


@pytest.mark.parametrize("name", NOWHERE)
def test_an_address_that_leads_nowhere_does_so_for_everybody(
    name: str, alice: User, admin_user: User, as_user: SignIn
) -> None:
    assert [as_user(one).get(reverse(name, args=["9/9/"])).status_code for one in (alice, admin_user)] == [404, 404]


@pytest.mark.parametrize("name", sorted(JOB_READ | PHOTO_READ))
def test_a_stranger_gets_404_where_the_owner_and_an_operator_get_200(
    name: str, alice: User, bob: User, olga: User, as_user: SignIn
) -> None:
    upload = make.upload(alice)
    answers = {user.username: as_user(user).get(address(name, upload)) for user in (alice, bob, olga)}
    for answer in answers.values():
        answer.close()
    assert {name: answer.status_code for name, answer in answers.items()} == {"alice": 200, "bob": 404, "olga": 200}


@pytest.mark.parametrize("name", sorted(JOB_WRITE | PHOTO_WRITE))
def test_a_stranger_can_change_nothing(name: str, alice: User, bob: User, as_user: SignIn) -> None:
    upload = make.upload(alice)
    before = Upload.objects.values().get(), upload.job.name
    assert as_user(bob).post(address(name, upload), {"name": "Mine"}).status_code == 404
    upload.job.refresh_from_db()
    assert (Upload.objects.values().get(), upload.job.name) == before
    assert upload.job.deleted_at is None


@pytest.mark.parametrize("name", sorted(PRODUCT_READ))
def test_a_product_csv_is_seen_by_its_owner_and_an_operator(
    name: str, alice: User, bob: User, olga: User, as_user: SignIn
) -> None:
    path = reverse(name, args=[make.products(alice, is_draft=True).pk])
    assert [as_user(user).get(path).status_code for user in (alice, bob, olga)] == [200, 404, 200]
    assert as_user(alice).get(reverse(name, args=[make.upload(alice).job_id])).status_code == 404


@pytest.mark.parametrize("name", sorted(PRODUCT_WRITE | ROW_WRITE))
def test_a_strangers_product_csv_is_404(name: str, alice: User, bob: User, as_user: SignIn) -> None:
    job = make.products(alice, is_draft=True)
    path = reverse(name, args=[job.rows.latest("pk").pk if name in ROW_WRITE else job.pk])
    before = list(ProductRow.objects.values()), Job.objects.values().get()
    assert as_user(bob).post(path, {"column": "urls", "text": "x", "preset": "white"}).status_code == 404
    assert (list(ProductRow.objects.values()), Job.objects.values().get()) == before
    assert Client().post(path)["Location"].startswith(reverse("login"))


def test_a_stranger_cannot_bring_a_deleted_job_back(alice: User, bob: User, as_user: SignIn) -> None:
    upload = make.upload(alice)
    as_user(alice).post(reverse("job-delete", args=[upload.job_id]))
    assert as_user(bob).post(reverse("job-restore", args=[upload.job_id])).status_code == 404
    assert as_user(alice).get(reverse("job", args=[upload.job_id])).status_code == 404


@pytest.mark.parametrize(
    ("state", "asked"),
    [
        ({"status": "failed"}, ("photos-retry", {})),
        ({"status": "queued"}, ("photos-cancel", {})),
        ({"status": "completed"}, ("photos-redo", {"quality": "50"})),
        ({"status": "completed", "needs_review": True}, ("photos-review", {"verdict": "accept"})),
        ({"status": "completed"}, ("photos-review", {"verdict": "original"})),
        ({"status": "completed", "verdict": "accepted"}, ("photos-review", {"verdict": "undo"})),
    ],
)
def test_one_forbidden_photo_refuses_the_whole_request(
    state: dict[str, Any], asked: tuple[str, dict[str, str]], alice: User, bob: User, as_user: SignIn
) -> None:
    own, hers = make.upload(bob, **state), make.upload(alice, **state)
    before, (name, fields) = list(Upload.objects.values()), asked
    assert as_user(bob).post(reverse(name), {"upload": [own.pk, hers.pk], **fields}).status_code == 404
    assert list(Upload.objects.values()) == before


@pytest.mark.parametrize("name", sorted(JOB_READ | JOB_WRITE | DELETED_JOB_WRITE | PHOTO_READ))
def test_nobody_is_sent_to_sign_in(name: str, alice: User) -> None:
    upload = make.upload(alice)
    for answer in (Client().get(address(name, upload)), Client().post(address(name, upload))):
        assert answer.status_code == 302
        assert answer["Location"].startswith(reverse("login"))


@pytest.mark.parametrize("name", sorted(PERSON - {"logout"}))
def test_a_persons_pages_need_a_login(name: str, db: None) -> None:
    answer = Client().get(reverse(name))
    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("login"))


@pytest.mark.parametrize("name", sorted(OPERATOR - {"invitation-revoke"}))
def test_operators_pages_are_refused_to_others(name: str, bob: User, as_user: SignIn) -> None:
    assert as_user(bob).post(reverse(name)).status_code == 403


@pytest.fixture
def preset(alice: User) -> Preset:
    return presets.save(alice, "Shop standard", Recipe())


@pytest.fixture
def background(alice: User) -> BackgroundImage:
    return backgrounds.accept(alice, SimpleUploadedFile("wall.jpg", picture()))


@pytest.mark.parametrize("name", sorted(PRESET_READ | PRESET_WRITE))
def test_a_strangers_preset_is_404(name: str, preset: Preset, bob: User, olga: User, as_user: SignIn) -> None:
    for user in (bob, olga):
        assert as_user(user).post(reverse(name, args=[preset.pk]), {"name": "Mine", "on": "yes"}).status_code == 404
    preset.refresh_from_db()
    assert preset.name == "Shop standard"


@pytest.mark.parametrize("name", sorted(PRESET_WRITE))
def test_a_shared_preset_is_used_by_all_and_changed_by_its_owner_and_operators(
    name: str, preset: Preset, bob: User, olga: User, as_user: SignIn
) -> None:
    presets.share(preset, True)
    assert as_user(bob).post(reverse("preset-default", args=[preset.pk]), {"on": "yes"}).status_code == 204
    answers = [as_user(user).post(reverse(name, args=[preset.pk]), {"name": "New"}) for user in (bob, olga)]
    assert [answer.status_code for answer in answers] == [404, 204]


@pytest.mark.parametrize("name", sorted(PRESET_OPERATOR))
def test_only_operators_share_presets(name: str, preset: Preset, alice: User, as_user: SignIn) -> None:
    assert as_user(alice).post(reverse(name, args=[preset.pk]), {"on": "yes"}).status_code == 403


def test_a_background_is_seen_by_its_owner_and_an_operators_by_everybody(
    background: BackgroundImage, alice: User, bob: User, olga: User, as_user: SignIn
) -> None:
    hers = backgrounds.accept(olga, SimpleUploadedFile("sky.png", picture(format="PNG")))
    answers = {
        (image.name, user.username): as_user(user).get(reverse("background", args=[image.pk]))
        for image in (background, hers) for user in (alice, bob, olga)
    }  # fmt: skip
    for answer in answers.values():
        answer.close()
    assert [at for at, answer in answers.items() if answer.status_code == 404] == [
        ("wall.jpg", "bob"), ("wall.jpg", "olga"),
    ]  # fmt: skip


def test_a_background_is_deleted_by_its_owner_alone(
    background: BackgroundImage, alice: User, bob: User, olga: User, as_user: SignIn
) -> None:
    path = reverse("background-delete", args=[background.pk])
    assert [as_user(user).post(path).status_code for user in (bob, olga, alice)] == [404, 404, 204]


def test_a_token_is_revoked_by_its_owner_alone(alice: User, bob: User, olga: User, as_user: SignIn) -> None:
    path = reverse("token-revoke", args=[tokens.make(alice, "Shop", ["read"]).token.pk])
    assert [as_user(user).post(path).status_code for user in (bob, olga, alice)] == [404, 404, 204]


@pytest.mark.parametrize("name", sorted(KEPT))
def test_what_people_keep_needs_a_login(name: str, db: None) -> None:
    for answer in (Client().get(reverse(name, args=[1])), Client().post(reverse(name, args=[1]))):
        assert answer["Location"].startswith(reverse("login"))


@pytest.mark.parametrize("name", sorted(OPERATOR_MODEL))
def test_only_operators_turn_models_on_and_off(name: str, bob: User, as_user: SignIn) -> None:
    path = reverse(name, args=["bria-rmbg"])
    assert as_user(bob).post(path).status_code == 403
    assert Client().post(path)["Location"].startswith(reverse("login"))


@pytest.mark.parametrize("path", ["/admin/", "/admin/processing/job/", "/admin/processing/upload/", "/admin/rq/"])
def test_the_admin_is_for_operators(path: str, bob: User, as_user: SignIn) -> None:
    assert as_user(bob).get(path).status_code in (302, 403)
    assert Client().get(path).status_code == 302


@pytest.mark.parametrize("name", sorted(QUEUE_READ | QUEUE_WRITE))
def test_the_queue_is_for_operators(name: str, alice: User, as_user: SignIn) -> None:
    upload = make.upload(alice, status="failed")
    path, before = reverse(name, args=[upload.pk] if name == "queue-why" else []), Upload.objects.values().get()
    for client in (as_user(alice), Client()):
        for answer in (client.get(path), client.post(path, {"verb": "delete", "upload": upload.pk, "count": "1"})):
            assert answer.status_code == 302
    assert Upload.objects.values().get() == before


@pytest.mark.parametrize("name", sorted(QUEUE_WRITE))
def test_the_queue_is_steered_by_post_alone(name: str, olga: User, as_user: SignIn) -> None:
    assert as_user(olga).get(reverse(name)).status_code == 405


def test_the_pages_of_rq_are_for_superusers(olga: User, as_user: SignIn, admin_user: User) -> None:
    assert as_user(olga).get("/admin/rq/").status_code == 403
    assert as_user(admin_user).get("/admin/rq/").status_code == 200


def test_a_form_from_elsewhere_is_refused(alice: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    upload = make.upload(alice, status="failed")
    assert client.post(reverse("job-retry", args=[upload.job_id])).status_code == 403


def test_an_operator_sees_everybodys_jobs_only_when_asked(alice: User, olga: User, bob: User) -> None:
    make.upload(alice)
    assert access.jobs(olga).count() == 0
    assert access.jobs(olga, everybody=True).count() == 1
    assert access.jobs(bob, everybody=True).count() == 0


def test_an_account_that_was_switched_off_is_no_operator(alice: User, olga: User) -> None:
    upload = make.upload(alice)
    olga.is_active = False
    with pytest.raises(Http404):
        access.job(olga, upload.job_id)


def test_numbers_beyond_the_database_are_404(alice: User, as_user: SignIn) -> None:
    client: Any = as_user(alice)
    assert client.get(f"/jobs/{10**30}/").status_code == 404
    assert client.post(reverse("photos-retry"), {"upload": [str(10**30)]}).status_code in (404, 422, 409)


def test_a_nul_never_reaches_the_database(alice: User, as_user: SignIn) -> None:
    def strict(execute: Callable[..., Any], sql: str, params: Any, *more: Any) -> Any:
        assert "\0" not in "".join(map(str, params or ())), "PostgreSQL would refuse it with an error"
        return execute(sql, params, *more)

    client, job = as_user(alice), [make.upload(alice).job_id]
    with connection.execute_wrapper(strict):
        assert client.get(reverse("jobs"), {"q": "\0"}).status_code == 200
        assert client.post(reverse("job-rename", args=job), {"name": "Sp\0ring"}).status_code == 204
        assert client.post(reverse("samples"), {"key": "\0"}).status_code == 302
        assert client.post(reverse("job-retry", args=job), {"state": "\0"}).status_code == 409
        for odd in ("\0", "image:\0"):
            assert client.post(reverse("new-job"), {"model": "u2netp", "background": odd}).status_code == 422
