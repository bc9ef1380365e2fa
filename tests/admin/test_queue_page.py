"""The queue page: what a filter finds, what can be done to it, and who may."""

import io
import re
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from processing import steering
from processing.models import BulkAct, Crew, Job, Pause, Status, Upload
from tests import make

SignIn = Callable[[User], Client]
PAGE = "/admin/processing/queue/"


@pytest.fixture
def admin(admin_user: User, as_user: SignIn) -> Client:
    return as_user(admin_user)


def failed(owner: User, photos: int = 1, code: str = "fetch_timeout", **values: Any) -> list[int]:
    """The ids of so many photos of a job that failed so."""
    job = make.job(owner, photos, **values)
    job.uploads.update(
        status="failed",
        error_code=code,
        error_message="It says why.",
        error_remedy="Do this.",
        finished_at=timezone.now(),
    )
    return list(job.uploads.order_by("pk").values_list("pk", flat=True))


def text(client: Client, path: str = PAGE, **asked: Any) -> str:
    answer = client.get(path, asked)
    assert answer.status_code == 200
    return answer.content.decode()


def shown(client: Client, **asked: Any) -> list[int]:
    """The photos in the list."""
    return [int(pk) for pk in re.findall(r'<tr id="found-(\d+)"', text(client, **asked))]


def whole(answer: Any) -> bytes:
    async def read() -> bytes:
        return b"".join([piece async for piece in answer.streaming_content])

    return async_to_sync(read)()


# ---- what is found --------------------------------------------------------------------------------------------------


def test_the_list_is_what_the_filter_in_the_address_names(admin: Client, alice: User, bob: User) -> None:
    hers, his = failed(alice, 2), failed(bob, code="no_face_found")
    queued = make.upload(alice).pk
    assert shown(admin) == [queued, *his, *reversed(hers)]
    assert shown(admin, q="state:failed owner:alice") == list(reversed(hers))
    assert shown(admin, q="error:no_face_found") == his
    assert shown(admin, q="photo-1") == hers[1:]


def test_what_is_picked_is_put_into_the_filter(admin: Client) -> None:
    asked = {"q": "state:failed chair", "state": "queued", "owner": "alice", "age": "older:1h", "job": "#7", "host": ""}
    assert admin.get(PAGE, asked)["Location"] == f"{PAGE}?q=state%3Aqueued+owner%3Aalice+job%3A7+older%3A1h+chair#found"


def test_each_part_of_a_filter_can_be_left_out(admin: Client, alice: User) -> None:
    failed(alice)
    page = text(admin, q="state:failed owner:alice photo")
    left = re.findall(r'href="\S+\?q=(\S*)#found" aria-label="Leave out', page)
    assert left == ["owner%3Aalice%20photo", "state%3Afailed%20photo", "state%3Afailed%20owner%3Aalice"]


@pytest.mark.parametrize(
    "asked",
    [{"q": "state:gone"}, {"q": "\0"}, {"q": f"job:{10**30}"}, {"q": "x" * 1000}, {"q": "older:1"},
     {"q": "chair", "job": "seven"}, {"q": "chair", "job": str(10**30)}, {"q": "chair", "owner": "a b"},
     {"q": "chair", "after": "x"}, {"q": "chair", "after": "9" * 40}],
)  # fmt: skip
def test_an_odd_filter_is_told_so_and_loses_nothing(asked: dict[str, str], admin: Client, alice: User) -> None:
    failed(alice)
    answer = admin.get(PAGE, asked)
    page = answer.content.decode()
    assert (answer.status_code, 'id="filter-problem"' in page) == (422, True)
    assert all(f'value="{typed}"' in page for name, typed in asked.items() if name != "after" and typed != "\0")


def test_a_long_list_goes_on_where_it_ended(admin: Client, alice: User) -> None:
    ids = failed(alice, 60)
    first = text(admin, q="state:failed")
    assert "50 of 60 shown" in first
    onward = re.search(r'rel="next" href="([^"]+)#found"', first)
    assert onward
    rest = re.findall(r'<tr id="found-(\d+)"', text(admin, PAGE + onward[1].replace("&amp;", "&")))
    assert [int(pk) for pk in rest] == list(reversed(ids))[50:]


def test_nothing_found_and_nothing_there_yet_are_told_apart(admin: Client, alice: User) -> None:
    assert "No photos yet" in text(admin)
    failed(alice)
    assert "No photo matches" in text(admin, q="state:completed")


def test_a_page_of_fifty_asks_no_more_than_one_of_five(admin: Client, alice: User, bob: User) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as made:
            text(admin, q="state:failed")
        return len(made)

    failed(alice, 5)
    queries()  # what is looked up once
    few = queries()
    failed(alice, 25)
    failed(bob, 20)
    assert len(shown(admin, q="state:failed")) == 50
    assert queries() == few


# ---- what is done ---------------------------------------------------------------------------------------------------


def test_one_photo_and_the_selected_are_retried_at_once(admin: Client, alice: User) -> None:
    ids = failed(alice, 3)
    answer = admin.post(
        reverse("queue-act"), {"verb": "retry", "upload": ids[:2], "next": f"{PAGE}?q=x#found"}, follow=True
    )
    assert answer.redirect_chain == [(f"{PAGE}?q=x#found", 303)]
    assert "2 photos queued again." in answer.content.decode()
    assert sorted(Upload.objects.filter(status="queued").values_list("pk", flat=True)) == ids[:2]
    alone = admin.post(reverse("queue-act"), {"verb": "retry", "upload": ids[2]})
    assert (alone.status_code, "1 photo queued again." in alone["HX-Trigger"]) == (204, True)


def test_what_cannot_be_done_to_the_selected_is_said(admin: Client, alice: User) -> None:
    queued = make.upload(alice).pk
    for sent, code in [
        ({"verb": "retry", "upload": queued}, "nothing_to_do"), ({"verb": "retry", "upload": "x"}, "nothing_to_do"),
        ({"verb": "mend", "upload": queued}, "invalid_request"), ({"verb": "retry", "q": "x:y"}, "invalid_filter"),
        ({"verb": "retry", "q": "x"}, "nothing_to_do"), ({"verb": "retry", "upload": 10**30}, "nothing_to_do"),
    ]:  # fmt: skip
        assert admin.post(reverse("queue-act"), sent).json()["code"] == code


@pytest.mark.parametrize("verb", ["retry", "cancel", "delete"])
def test_where_nothing_is_named_nothing_is_done(admin: Client, alice: User, verb: str) -> None:
    """All photos are meant by an empty filter, and not by none: the form of the selected has none."""
    failed(alice)
    for name in ("queue-act", "queue-preview", "queue-download"):
        answer = admin.post(reverse(name), {"verb": verb, "count": "1"})
        assert "No photo is selected" in answer.content.decode()
    assert not BulkAct.objects.exists()
    assert Upload.objects.get().status == "failed"


def test_who_may_do_nothing_selects_nothing(admin: Client, otto: User, alice: User, as_user: SignIn) -> None:
    failed(alice)
    assert 'id="pick-page"' in text(admin)
    assert 'id="pick-' not in text(as_user(otto))


def test_all_that_match_are_counted_before_and_done_in_the_background(admin: Client, alice: User, bob: User) -> None:
    failed(alice, 2)
    failed(bob)
    make.upload(bob)
    page = text(admin, reverse("queue-preview"), verb="retry", q="error:fetch_timeout")
    assert "Retry 3 photos?" in page
    assert "alice 2, bob 1" in page
    assert "Trying again helps only where" not in page
    answer = admin.post(
        reverse("queue-act"),
        {"verb": "retry", "q": "error:fetch_timeout", "per_minute": "60", "next": PAGE},
        follow=True,
    )
    assert "Retrying 3 photos." in answer.content.decode()
    act = BulkAct.objects.get()
    assert (act.verb, act.query, act.matched, act.per_minute) == ("retry", "error:fetch_timeout", 3, 60)
    assert f"queue-act-{act.pk}" in answer.content.decode()
    assert not Upload.objects.filter(status="queued", error_code="fetch_timeout").exists()


def test_a_preview_of_the_selected_counts_those_that_are_touched(admin: Client, alice: User) -> None:
    ids = [*failed(alice), make.finish(make.upload(alice)).pk]
    for sent in ({"upload": ids}, {"q": "owner:alice"}):
        page = text(admin, reverse("queue-preview"), verb="retry", **sent)
        assert all(words in page for words in ("Retry 1 photo?", "<dd>2</dd>", "<dd>1. Only photos that failed"))


def test_a_preview_says_where_trying_again_alone_does_not_help(admin: Client, alice: User) -> None:
    failed(alice, 2, "no_face_found")
    page = text(admin, reverse("queue-preview"), verb="retry", q="state:failed")
    assert "2 × <code>no_face_found</code>: Do this." in page


def test_an_odd_preview_is_told_so(admin: Client) -> None:
    for asked in ({"verb": "mend"}, {"verb": "retry", "q": "state:gone"}, {}, {"verb": "retry", "upload": "x"}):
        assert admin.get(reverse("queue-preview"), asked).status_code in (409, 422)


def test_a_running_act_is_stopped(admin: Client, admin_user: User, alice: User) -> None:
    failed(alice)
    admin.post(reverse("queue-act"), {"verb": "cancel", "q": ""})
    assert not BulkAct.objects.exists(), "nothing that failed can be cancelled"
    admin.post(reverse("queue-act"), {"verb": "retry", "q": ""})
    act = BulkAct.objects.get()
    assert admin.post(reverse("queue-act-stop"), {"act": act.pk}).status_code == 204
    assert admin.post(reverse("queue-act-stop"), {"act": act.pk}).status_code == 409
    assert admin.post(reverse("queue-act-stop"), {"act": 10**30}).status_code == 404
    act.refresh_from_db()
    assert act.stopped_by == admin_user


def test_deleting_needs_the_number_of_photos(admin: Client, alice: User) -> None:
    ids = failed(alice, 2)
    for sent in ({"upload": ids}, {"q": "state:failed"}):
        asked = {"verb": "delete", "next": PAGE, **sent}
        assert "This cannot be undone." in text(admin, reverse("queue-preview"), **asked)
        for count in ("", "1", "two", "3"):
            wrong = admin.post(reverse("queue-act"), {**asked, "count": count})
            assert (wrong.status_code, "Type how many there are now, 2" in wrong.content.decode()) == (422, True)
    assert Upload.objects.count() == 2
    assert not BulkAct.objects.exists()
    admin.post(reverse("queue-act"), {"verb": "delete", "q": "state:failed", "count": "2"})
    assert BulkAct.objects.get().verb == "delete"
    admin.post(reverse("queue-act"), {"verb": "delete", "upload": ids[0], "count": "1"})
    assert Upload.objects.filter(pk__in=ids).count() == 1


# ---- who may --------------------------------------------------------------------------------------------------------

ACTS: dict[str, tuple[str, dict[str, Any]]] = {
    "retry": ("queue-act", {"verb": "retry", "q": "state:failed"}),
    "cancel": ("queue-act", {"verb": "cancel", "q": "state:queued"}),
    "delete": ("queue-act", {"verb": "delete", "q": "state:failed", "count": "1"}),
    "pause": ("queue-pause", {}),
    "workers": ("queue-workers", {"size": "3"}),
    "trip": ("queue-breaker", {"name": "storage", "verb": "trip"}),
    "reset": ("queue-breaker", {"name": "storage", "verb": "reset"}),
}


@pytest.mark.parametrize("verb", sorted(ACTS))
def test_each_verb_needs_its_permission(verb: str, alice: User, otto: User, as_user: SignIn) -> None:
    failed(alice)
    make.upload(alice)
    needed = steering.PERMISSIONS[verb]
    others = [name.partition(".")[2] for name in steering.PERMISSIONS.values() if name != needed]
    otto.user_permissions.set(Permission.objects.filter(codename__in=others))
    (name, sent), before = ACTS[verb], list(Upload.objects.values())
    refused = as_user(otto).post(reverse(name), sent)
    assert (refused.status_code, refused.json()["code"]) == (403, "not_permitted")
    said = as_user(otto).post(reverse(name), {**sent, "next": PAGE}, follow=True).content.decode()
    assert f"it needs the permission {needed}" in said
    assert list(Upload.objects.values()) == before
    assert not any(model.objects.exists() for model in (BulkAct, Pause, Crew))
    otto.user_permissions.add(Permission.objects.get(codename=needed.partition(".")[2]))
    assert as_user(otto).post(reverse(name), sent).status_code == 204


@pytest.mark.parametrize("verb", ["retry", "cancel", "delete"])
def test_a_button_is_there_for_those_who_may(verb: str, alice: User, otto: User, as_user: SignIn) -> None:
    failed(alice)
    make.upload(alice)
    assert f"verb={verb}&" not in text(as_user(otto))
    assert as_user(otto).get(reverse("queue-preview"), {"verb": verb, "q": ""}).status_code == 403
    otto.user_permissions.add(Permission.objects.get(codename=f"{verb}_upload"))
    assert f"verb={verb}&" in text(as_user(otto))
    assert f'name="verb" value="{verb}"' in text(as_user(otto), reverse("queue-preview"), verb=verb, q="")


def test_downloading_what_is_everybodys_needs_its_permission(alice: User, otto: User, as_user: SignIn) -> None:
    done, other = make.finish(make.upload(alice)), make.finish(make.upload(alice))
    assert as_user(otto).post(reverse("queue-download"), {"q": ""}).status_code == 403
    otto.user_permissions.add(Permission.objects.get(codename="download_upload"))
    for asked, names in (({"q": "state:completed"}, 2), ({"q": f"job:{other.job_id}"}, 1), ({"upload": done.pk}, 1)):
        answer = as_user(otto).post(reverse("queue-download"), asked)
        with zipfile.ZipFile(io.BytesIO(whole(answer))) as archive:
            assert len(archive.namelist()) == names + 1  # the manifest
    assert as_user(otto).post(reverse("queue-download"), {"q": "state:gone"}).status_code == 422
    make.upload(alice)
    as_user(otto).post(reverse("queue-download"), {"q": "owner:alice"})
    assert "Downloaded owner:alice (2 files)" in text(as_user(otto), reverse("queue-log"))


def test_one_photo_has_its_buttons_in_its_row(alice: User, otto: User, as_user: SignIn) -> None:
    done, lost = make.finish(make.upload(alice)).pk, failed(alice)[0]
    allowed = {
        "retry": {f"retry-{lost}"}, "download": {f"download-{done}"}, "delete": {f"delete-{done}", f"delete-{lost}"},
    }  # fmt: skip
    shown: set[str] = set()
    for verb, more in allowed.items():
        otto.user_permissions.add(Permission.objects.get(codename=f"{verb}_upload"))
        shown |= more
        assert (
            set(re.findall(r'<button class="[^"]+" id="((?:retry|download|delete)-\d+)"', text(as_user(otto)))) == shown
        )
    page = as_user(otto).post(reverse("queue-preview"), {"verb": "delete", "upload": lost}).content.decode()
    assert "Delete 1 photo?" in page


# ---- steering -------------------------------------------------------------------------------------------------------


def test_the_queue_a_person_and_a_job_are_paused_drained_and_resumed(admin: Client, alice: User) -> None:
    job = make.job(alice)
    for part, key in (
        ({}, "photos"),
        ({"person": "alice"}, f"person-{alice.pk}"),
        ({"job": f"#{job.pk}"}, f"job-{job.pk}"),
    ):
        admin.post(reverse("queue-pause"), part)
        assert Pause.objects.get().key == key
        admin.post(reverse("queue-drain"), part)
        assert Pause.objects.get().drains
        admin.post(reverse("queue-resume"), part)
        assert not Pause.objects.exists()


def test_nobody_is_paused_in_place_of_somebody_who_is_not_there(admin: Client, admin_user: User) -> None:
    job = make.job(admin_user)
    for part in (
        {"person": "nobody"}, {"job": "7"}, {"job": str(10**30)}, {"job": "x"}, {"person": "\0x"}, {"person": "\0"},
        {"person": " "}, {"job": " "}, {"job": "\0"},
    ):  # fmt: skip
        assert admin.post(reverse("queue-pause"), part).status_code == 404
    for part in ({"person": "", "job": ""}, {"person": admin_user.username, "job": str(job.pk)}):
        assert admin.post(reverse("queue-pause"), part).json()["code"] == "invalid_request"
    assert not Pause.objects.exists()


def test_workers_and_breakers_are_set(admin: Client) -> None:
    assert "3 workers from now on." in admin.post(reverse("queue-workers"), {"size": "3"})["HX-Trigger"]
    assert Crew.objects.get().size == 3
    for odd in ("", "0", "99", "x", str(10**30)):
        assert admin.post(reverse("queue-workers"), {"size": odd}).status_code == 422
    assert admin.post(reverse("queue-breaker"), {"name": "storage", "verb": "trip"}).status_code == 204
    assert "storage" in text(admin)
    tripped = admin.post(reverse("queue-breaker"), {"name": "model:u2netp", "verb": "trip"})
    assert "The model u2netp is left alone until it is reset." in tripped["HX-Trigger"]
    for sent in (
        {"name": "storage", "verb": "mend"},
        {"verb": "trip"},
        {"name": "\0", "verb": "trip"},
        {"name": "x" * 400, "verb": "trip"},
    ):
        assert admin.post(reverse("queue-breaker"), sent).status_code in (404, 422)


def test_a_state_is_said_once_in_a_row(admin: Client, alice: User) -> None:
    make.upload(alice)
    row = admin.get(reverse("queue")).content.decode().partition('<tr id="found-')[2].partition("</tr>")[0]
    assert row.count("Queued") == 1


# ---- why, and who ---------------------------------------------------------------------------------------------------


def test_why_a_photo_failed_and_the_traceback_for_superusers(
    admin: Client, alice: User, otto: User, as_user: SignIn
) -> None:
    [pk] = failed(alice)
    Upload.objects.filter(pk=pk).update(error_detail="Traceback of it", attempts=3)
    path = reverse("queue-why", args=[pk])
    for client, seen in ((admin, True), (as_user(otto), False)):
        page = text(client, path)
        assert all(words in page for words in ("It says why.", "Do this.", "fetch_timeout", "alice"))
        assert ("Traceback of it" in page) is seen
    Job.objects.update(deleted_at="2026-01-01T00:00Z")
    assert admin.get(path).status_code == 404


def test_the_log_says_who_did_what_to_how_many(admin: Client, alice: User) -> None:
    assert "Nobody did anything yet" in text(admin, reverse("queue-log"))
    admin.post(reverse("queue-act"), {"verb": "retry", "upload": failed(alice, 3)})
    admin.post(reverse("queue-workers"), {"size": "4"})
    page = text(admin, reverse("queue-log"))
    assert "(3 photos)" in page
    assert page.index("to 4") < page.index("(3 photos)")
    assert '<th scope="row">admin</th>' in page


def test_operators_find_the_page(admin: Client, alice: User, olga: User, as_user: SignIn) -> None:
    assert f'href="{PAGE}"' in text(admin, "/admin/")
    assert f'href="{PAGE}"' in text(as_user(olga), "/jobs/")
    assert PAGE not in text(as_user(alice), "/jobs/")


@pytest.mark.parametrize("rate", ["0", "-5", "fast", "1" + "0" * 30])
def test_a_rate_that_is_none_starts_nothing(rate: str, alice: User, olga: User, as_user: SignIn) -> None:
    make.upload(alice, status=Status.FAILED, finished_at=timezone.now())
    asked = {"verb": "retry", "q": "state:failed", "per_minute": rate}
    assert as_user(olga).post(reverse("queue-act"), asked).status_code == 422
    assert not BulkAct.objects.exists()


def test_an_act_keeps_to_whatever_rate_is_asked_for(alice: User, olga: User, as_user: SignIn) -> None:
    make.upload(alice, status=Status.FAILED, finished_at=timezone.now())
    as_user(olga).post(reverse("queue-act"), {"verb": "retry", "q": "state:failed", "per_minute": "30"})
    assert BulkAct.objects.get().per_minute == 30
