"""Every address, walked as nobody, as a stranger, as the owner's operator. A new route must be classified here."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.http import Http404
from django.test import Client
from django.urls import Resolver404, URLPattern, URLResolver, get_resolver, resolve, reverse
from django.utils import timezone

from processing import access, backgrounds, presets, tokens
from processing.api.dialects import api as dialects
from processing.api.v1 import api as v1
from processing.delivery import links
from processing.live.consumers import JobConsumer
from processing.models import BackgroundImage, Job, Preset, ProductRow, Upload
from processing.recipe import Recipe
from tests import make
from tests.api.test_access import everything
from tests.conftest import picture
from tests.web.walk import routes, things

SignIn = Callable[[User], Client]

WALKED_ELSEWHERE = {"admin", "django_rq", v1.urls_namespace, dialects.urls_namespace}  # the last two in tests/api
NOWHERE = {"any-row"}
OPEN = {"login", "sign-up", "invitation", "health", "ready", "metrics", "password_reset", "password_reset_done",
        "password_reset_confirm", "password_reset_complete", "output", "api-docs", "openapi-json"}  # fmt: skip
PERSON = {"models", "new-job", "samples", "send-files", "jobs", "photos-retry", "photos-cancel", "photos-redo",
          "photos-review", "account", "logout", "password_change", "password_change_done", "presets", "preset-save",
          "background-add", "links", "products", "webhooks", "webhook-add", "tokens", "tokens-forget",
          "signing-secret", "statistics"}  # fmt: skip
JOB_READ = {"job", "job-photos", "job-changes", "job-progress", "job-row", "job-zip", "job-recipe"}
JOB_WRITE = {"job-add", "job-close", "job-retry", "job-cancel", "job-delete", "job-rename"}
DELETED_JOB_WRITE = {"job-restore"}
PHOTO_READ, PHOTO_WRITE = {"photo", "photo-card", "photo-file"}, {"photo"}
OPERATOR = {"invitations", "password-link", "invitation-revoke"}
OPERATOR_MODEL = {"model-allow", "model-forbid"}
PRESET_READ, PRESET_WRITE, PRESET_OPERATOR = {"preset-default"}, {"preset-rename", "preset-delete"}, {"preset-share"}
PRODUCT_READ = {"product", "product-recipe", "product-rows", "product-changes"}
PRODUCT_WRITE = {"product-start", "product-read", "product-recipe", "product-callback", "product-leave-out",
                 "product-retry"}  # fmt: skip
ROW_WRITE = {"row-mend", "row-leave-out", "row-undo", "row-retry"}
LINKS = {"links-make", "links-revoke", "product-csv"}  # walked in test_links
# walked in test_webhooks:
WEBHOOKS = {"webhook", "webhook-change", "webhook-rotate", "webhook-test", "webhook-pause", "webhook-resume",
            "webhook-remove", "webhook-replay", "webhook-send", "delivery", "delivery-replay"}  # fmt: skip
QUEUE_READ = {"queue", "queue-fragments", "queue-log", "queue-why", "queue-preview"}
QUEUE_WRITE = {"queue-act", "queue-act-stop", "queue-pause", "queue-resume", "queue-drain", "queue-workers",
               "queue-breaker", "queue-download"}  # fmt: skip
KEPT = PRESET_READ | PRESET_WRITE | PRESET_OPERATOR | {"background", "background-delete", "token-revoke"}


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


OF_A_JOB = JOB_WRITE | PHOTO_WRITE | PRODUCT_WRITE | ROW_WRITE | {"links-make", "links-revoke", "photos-retry",
            "photos-cancel", "photos-redo", "photos-review"}  # fmt: skip


@pytest.mark.parametrize("name", sorted(OF_A_JOB))
def test_an_operator_does_to_others_photos_only_what_there_is_permission_for(
    name: str, alice: User, otto: User, olga: User, as_user: SignIn
) -> None:
    walked = things(alice)
    [route] = [route for route in routes("") if route.name == name]
    before = everything()
    sent = {"upload": walked["photo"], "verdict": "accept", "name": "Mine", "column": "name", "text": "x"}
    assert as_user(otto).post(route.address(walked), sent).status_code == 404
    assert everything() == before
    assert as_user(olga).post(route.address(walked), sent).status_code != 404


def test_nor_brings_a_deleted_job_back(alice: User, otto: User, olga: User, as_user: SignIn) -> None:
    path = reverse("job-restore", args=[make.upload(alice).job_id])
    Job.objects.update(deleted_at=timezone.now())
    assert [as_user(user).post(path).status_code for user in (otto, olga)] == [404, 204]


# verb → what there is permission for with it, but what no page of a job offers
OFFERED = {
    "retry": {"job-retry", "photos-retry", "product-retry", "row-retry"},
    "cancel": {"job-cancel", "photos-cancel"},
    "delete": {"job-delete"},
}  # fmt: skip
OFFERED["change"] = OF_A_JOB.difference(*OFFERED.values(), {"job-add", "job-close", "links-revoke"})


class Acts(HTMLParser):
    """What of OF_A_JOB the forms and buttons of a page lead to."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found = set[str]()
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            is_act = name in ("action", "formaction", "hx-post") or (name.startswith("data-") and name != "data-photo")
            with suppress(Resolver404):
                if is_act and value:
                    self.found |= OF_A_JOB & {resolve(urlsplit(value).path).url_name}


@pytest.fixture
def in_every_state(alice: User) -> tuple[Job, Job, Job]:
    """Photos on which every act can be done, a product CSV that was started, and a draft."""
    job, csv = make.job(alice, 4), make.products(alice, 3)
    first, *others = job.uploads.order_by("position")
    make.finish(first)
    job.uploads.filter(pk=first.pk).update(needs_review=True)
    job.uploads.filter(pk=others[0].pk).update(status="failed", error_code="no_face_found", error_message="No face.")
    job.uploads.filter(pk=others[1].pk).update(status="cancelled")
    csv.uploads.filter(position=0).update(status="failed", source="")
    links.revoke(links.make(csv))
    draft = make.products(alice, 3, is_draft=True)
    draft.rows.filter(position=0).update(problem_code="csv_bad_row", problem_column="urls", problem="No address.")
    draft.rows.filter(position=1).update(is_left_out=True)
    return job, csv, draft


def offered(client: Client, user: User, jobs: tuple[Job, Job, Job]) -> set[str]:
    """What is to be done on all pages of these jobs, on what they load later, and by what the socket sends."""
    job, csv, draft = jobs
    ids = list(job.uploads.values_list("pk", flat=True))
    paths = [f"{reverse('jobs')}?owner=everybody", f"{reverse('job-photos', args=[job.pk])}?shown={ids[0]}-{ids[-1]}"]
    paths += [reverse(name, args=[job.pk]) for name in ("job", "job-changes", "job-row")]
    paths += [reverse(name, args=[pk]) for name in ("photo", "photo-card") for pk in ids]
    paths += [f"{reverse('job-changes', args=[job.pk])}?photo={pk}" for pk in ids]
    paths += [reverse(name, args=[csv.pk]) for name in ("product", "product-rows", "product-changes")]
    pages = [client.get(path).content.decode() for path in [*paths, reverse("product", args=[draft.pk])]]
    for job_id, asked in ((job.pk, {}), (job.pk, {"photo": str(ids[1])}), (csv.pk, {"rows": "1"})):
        socket = JobConsumer()
        socket.scope, socket.who = {"url_route": {"kwargs": {"pk": job_id}}}, user
        socket.open(asked)
        pages += socket.look()
    return set[str]().union(*(Acts(page).found for page in pages))


@pytest.mark.parametrize("verb", ["", *OFFERED])
def test_an_operator_is_offered_only_what_there_is_permission_for(
    verb: str, in_every_state: tuple[Job, Job, Job], otto: User, as_user: SignIn
) -> None:
    otto.user_permissions.set(Permission.objects.filter(codename=f"{verb}_upload"))
    assert offered(as_user(otto), otto, in_every_state) == OFFERED.get(verb, set())


def test_with_all_permissions_an_operator_is_offered_what_the_owner_is(
    in_every_state: tuple[Job, Job, Job], alice: User, olga: User, as_user: SignIn
) -> None:
    every = set[str]().union(*OFFERED.values())
    assert [offered(as_user(user), user, in_every_state) for user in (alice, olga)] == [every, every]


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
