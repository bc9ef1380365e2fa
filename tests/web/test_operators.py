"""An operator sees everybody's photos, and does to them what there is permission for: pages offer just that."""

from collections.abc import Callable
from contextlib import suppress
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import Resolver404, resolve, reverse
from django.utils import timezone

from processing.delivery import links
from processing.live.consumers import JobConsumer
from processing.models import Job
from tests import make
from tests.api.test_access import everything
from tests.web.classified import OF_A_JOB
from tests.web.walk import routes, things

SignIn = Callable[[User], Client]


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
