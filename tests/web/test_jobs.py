"""A job's page, its fragments, what can be done to it, and the history."""

import json
import os
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from processing import breaker, dispatch, housekeeping, pauses, storage, watch
from processing.models import Job, Lease, Refusal, Upload, Variant
from processing.storage import disk
from tests import make
from tests.api.programs import program

SignIn = Callable[[User], Client]


@pytest.fixture
def client(alice: User, as_user: SignIn) -> Client:
    return as_user(alice)


def test_a_large_job_comes_in_pages(client: Client, alice: User) -> None:
    job = make.job(alice, 450)
    shown = client.get(reverse("job", args=[job.pk])).content.decode()
    first, last = job.uploads.order_by("pk").values_list("pk", flat=True)[::449]
    assert f'data-ids="{first}-{last}"' in shown
    assert shown.count('id="upload-card-') == 100
    assert 'rel="next" href="?page=2"' in shown
    pages = [client.get(reverse("job", args=[job.pk]), {"page": page}).content.decode() for page in (2, 5)]
    assert [page.count('id="upload-card-') for page in pages] == [100, 50]
    assert 'rel="next"' not in pages[1]


def test_a_large_grid_gets_the_cards_that_it_asks_for(client: Client, alice: User) -> None:
    job, other = make.job(alice, 4), make.job(alice, 1)
    first, _, _, last = job.uploads.order_by("pk").values_list("pk", flat=True)
    asked = f"{last},{first}-{first + 1},{other.uploads.get().pk}"
    shown = client.get(reverse("job-photos", args=[job.pk]), {"shown": asked}).content.decode()
    assert re.findall(r'id="upload-card-(\d+)"', shown) == [str(pk) for pk in (first, first + 1, last)]


def test_a_selection_may_be_sent_in_short(client: Client, alice: User) -> None:
    job = make.job(alice, 4)
    first = job.uploads.earliest("pk").pk
    client.post(reverse("photos-cancel"), {"upload": f"{first}-{first + 1},{first + 3}"})
    cancelled = job.uploads.filter(status="cancelled").order_by("pk").values_list("pk", flat=True)
    assert list(cancelled) == [first, first + 1, first + 3]
    answer = client.get(reverse("job-zip", args=[job.pk]), {"upload": f"{first}-{first + 99}"})
    assert answer.status_code == 404


def test_photos_can_be_filtered_by_state_and_failed_ones_come_first(client: Client, alice: User) -> None:
    job = make.job(alice, 3)
    last = job.uploads.order_by("-position")[0]
    Upload.objects.filter(pk=last.pk).update(status="failed", error_message="No face was found.")
    page = client.get(reverse("job", args=[job.pk])).content.decode()
    assert page.index(f"upload-card-{last.pk}") < page.index("photo-0.jpg")
    assert "No face was found." in page
    only = client.get(reverse("job", args=[job.pk]), {"state": "failed"}).content.decode()
    assert only.count('id="upload-card-') == 1


def test_changes_since_a_moment_are_only_those(client: Client, alice: User) -> None:
    job = make.job(alice, 3)
    Upload.objects.update(changed_at=timezone.now() - timedelta(minutes=5))
    changed = job.uploads.all()[1]
    Upload.objects.filter(pk=changed.pk).update(status="failed", changed_at=timezone.now())
    since = (timezone.now() - timedelta(minutes=1)).isoformat()
    answer = client.get(reverse("job-changes", args=[job.pk]), {"since": since}).content.decode()
    assert f'id="upload-card-{changed.pk}"' in answer
    assert answer.count('id="upload-card-') == 1
    assert f'id="job-progress-{job.pk}"' in answer


@pytest.mark.parametrize("since", ["", "yesterday", "2026-13-45T99:99", "2026-01-01"])
def test_an_odd_moment_gives_everything(client: Client, alice: User, since: str) -> None:
    job = make.job(alice, 3)
    answer = client.get(reverse("job-changes", args=[job.pk]), {"since": since}).content.decode()
    assert answer.count('id="upload-card-') == 3


def test_a_photo_that_waits_for_what_does_not_answer_says_so(client: Client, alice: User, olga: User) -> None:
    upload = make.upload(alice)
    breaker.trip(breaker.STORAGE, olga)
    dispatch.Dispatcher().tend_breakers()
    for page in (f"/jobs/{upload.job_id}/", f"/photos/{upload.pk}/"):
        text = client.get(page).content.decode()
        assert "Waits: Storage does not answer" in text
        assert "The photo waits for it and loses no try." in text


def test_a_plain_form_is_redirected_with_a_notice(client: Client, alice: User) -> None:
    job = make.job(alice, 2)
    Upload.objects.update(status="failed")
    page = reverse("job", args=[job.pk])
    answer = client.post(reverse("job-retry", args=[job.pk]), {"next": page})
    assert (answer.status_code, answer["Location"]) == (303, page)
    assert "2 photos queued again." in client.get(page).content.decode()


def test_a_script_gets_a_notice_and_looks_again(client: Client, alice: User) -> None:
    job = make.job(alice, 2)
    answer = client.post(reverse("job-cancel", args=[job.pk]))
    assert answer.status_code == 204
    assert json.loads(answer["HX-Trigger"])["notice"]["text"] == "2 photos cancelled."
    assert set(Upload.objects.values_list("status", flat=True)) == {"cancelled"}


def test_nothing_to_do_is_said(client: Client, alice: User) -> None:
    job = make.job(alice, 1)
    answer = client.post(reverse("job-retry", args=[job.pk]))
    assert (answer.status_code, answer.json()["code"]) == (409, "nothing_to_do")


def test_the_next_page_is_never_elsewhere(client: Client, alice: User) -> None:
    job = make.job(alice, 1)
    for target in ("https://elsewhere.example/", "//elsewhere.example", "javascript:alert(1)"):
        answer = client.post(reverse("job-cancel", args=[job.pk]), {"next": target})
        assert answer["Location"] == "/"


def test_only_those_in_one_state_are_retried_where_it_is_named(client: Client, alice: User) -> None:
    job = make.job(alice, 3)
    for upload, state in zip(job.uploads.all(), ("failed", "cancelled", "completed"), strict=True):
        Upload.objects.filter(pk=upload.pk).update(status=state)
    client.post(reverse("job-retry", args=[job.pk]), {"state": "failed"})
    assert sorted(job.uploads.values_list("status", flat=True)) == ["cancelled", "completed", "queued"]
    client.post(reverse("job-retry", args=[job.pk]), {"state": "cancelled"})
    assert sorted(job.uploads.values_list("status", flat=True)) == ["completed", "queued", "queued"]


def test_the_history_offers_to_bring_deleted_jobs_back(client: Client, alice: User, bob: User) -> None:
    job = make.job(alice, 1, name="Spring", deleted_at=timezone.now())
    make.job(bob, 1, name="Of Bob", deleted_at=timezone.now())
    make.job(alice, 1, name="Long ago", deleted_at=timezone.now() - timedelta(minutes=11))
    page = client.get(reverse("jobs")).content.decode()
    assert "Bring back Spring" in page
    assert "Of Bob" not in page
    assert "Long ago" not in page
    client.post(reverse("job-restore", args=[job.pk]), {"next": reverse("jobs")})
    assert "Bring back" not in client.get(reverse("jobs")).content.decode()


def test_a_job_sent_in_several_requests_is_named_when_it_closes(client: Client, alice: User) -> None:
    from tests.conftest import picture

    def sent(url: str, *names: str, **more: str) -> Any:
        files = [SimpleUploadedFile(name, picture()) for name in names]
        return client.post(url, {"files": files, "model": "u2netp", **more}).json()

    one = sent(reverse("send-files"), "chair.jpg", open="true")
    client.post(one["close_url"])
    three = sent(reverse("send-files"), "lamp.jpg", open="true")
    sent(three["add_url"], "mug.jpg", "tote.jpg")
    client.post(three["close_url"])
    named = sent(reverse("send-files"), "a.jpg", "b.jpg", open="true", name="Spring")
    client.post(named["close_url"])
    assert list(Job.objects.order_by("pk").values_list("name", flat=True)) == ["chair", "lamp and 2 more", "Spring"]


def test_what_is_refused_before_the_first_photo_stays_in_sight_too(client: Client, alice: User) -> None:
    from tests.conftest import picture

    files = {"files": [SimpleUploadedFile("b.txt", b"text")], "model": "u2netp", "open": "true"}
    first = client.post(reverse("send-files"), files).json()
    assert (first["accepted"], len(first["refused"])) == (0, 1)
    client.post(first["add_url"], {"files": [SimpleUploadedFile("a.jpg", picture())]})
    client.post(first["close_url"])
    assert [one.name for one in Job.objects.get().refusals.all()] == ["b.txt"]


def test_an_open_job_that_got_no_photo_is_gone_when_it_closes(client: Client, alice: User) -> None:
    files = {"files": [SimpleUploadedFile("b.txt", b"text")], "model": "u2netp", "open": "true"}
    first = client.post(reverse("send-files"), files).json()
    client.post(first["close_url"])
    assert not Job.objects.exists()


def test_a_deleted_job_is_gone_at_once_and_can_be_brought_back(client: Client, alice: User) -> None:
    job = make.job(alice, 1)
    answer = client.post(reverse("job-delete", args=[job.pk]))
    undo = json.loads(answer["HX-Trigger"])["notice"]["undo"]
    assert client.get(reverse("job", args=[job.pk])).status_code == 404
    client.post(undo["url"])
    assert client.get(reverse("job", args=[job.pk])).status_code == 200


@pytest.mark.parametrize(("photos", "minutes"), [(0, 0), (1, 11)], ids=["in the making", "too long ago"])
def test_one_that_is_not_offered_cannot_be_brought_back(photos: int, minutes: int, client: Client, alice: User) -> None:
    job = make.job(alice, photos, deleted_at=timezone.now() - timedelta(minutes=minutes))
    assert client.post(reverse("job-restore", args=[job.pk])).status_code == 404
    assert program(alice).post(f"/api/v1/jobs/{job.pk}/restore").status_code == 404
    assert Job.objects.get().deleted_at == job.deleted_at


def test_an_operator_takes_back_what_they_deleted_of_somebody(alice: User, olga: User, as_user: SignIn) -> None:
    job = make.job(alice)
    for name in ("job-delete", "job-restore"):
        assert as_user(olga).post(reverse(name, args=[job.pk])).status_code == 204
    assert Job.objects.get().deleted_at is None


def test_a_deleted_job_is_removed_for_good_later_with_its_files(client: Client, alice: User) -> None:
    job = make.job(alice, 2)
    folder = disk.path(f"{alice.pk}/{job.pk}")
    client.post(reverse("job-delete", args=[job.pk]))
    housekeeping.tidy()
    assert folder.exists()
    Job.objects.update(deleted_at=timezone.now() - timedelta(minutes=11))
    housekeeping.tidy()
    assert not folder.exists()
    assert not Job.objects.exists()


def test_a_job_that_is_brought_back_while_others_are_purged_stays(
    client: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = make.job(alice, 1), make.job(alice, 1)
    Job.objects.update(deleted_at=timezone.now() - timedelta(minutes=11))

    def bring_the_other_back(owner_id: int, job_id: int) -> None:
        Job.objects.filter(pk__in={first.pk, second.pk} - {job_id}).update(deleted_at=None)

    monkeypatch.setattr(storage, "delete_job", bring_the_other_back)
    housekeeping.purge_deleted_jobs()
    assert Job.objects.count() == 1
    assert Upload.objects.count() == 1


def test_files_of_jobs_that_are_no_more_are_removed(alice: User) -> None:
    kept, gone = make.job(alice, 1), make.job(alice, 1)
    folders = [disk.path(f"{alice.pk}/{job.pk}") for job in (kept, gone)]
    Upload.objects.filter(job=gone).delete()
    gone.delete()
    housekeeping.clear_folders()
    assert [folder.exists() for folder in folders] == [True, True]  # it may be in the making
    for folder in folders:
        os.utime(folder, (0, 0))
    housekeeping.clear_folders()
    assert [folder.exists() for folder in folders] == [True, False]


def test_one_worker_tidies_at_a_time_and_seldom_lists_all_that_lies_there(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[str] = []

    def listed() -> None:
        taken.append("listed")

    def closed() -> None:
        taken.append("closed")
        housekeeping.tidy()  # as another worker, meanwhile

    monkeypatch.setattr(housekeeping, "clear_folders", listed)
    monkeypatch.setattr(housekeeping, "close_open_jobs", closed)
    housekeeping.tidy()
    housekeeping.tidy()
    assert taken == ["closed", "listed", "closed"]
    Lease.objects.filter(name=housekeeping.LISTING).update(until=timezone.now() - timedelta(seconds=1))
    housekeeping.tidy()
    assert taken[3:] == ["closed", "listed"]


def test_one_step_of_the_tidying_that_fails_does_not_stop_the_others(
    client: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise OSError

    broken.__name__ = "broken"
    monkeypatch.setattr(housekeeping, "close_open_jobs", broken)
    make.job(alice, 1, deleted_at=timezone.now() - timedelta(minutes=11))
    housekeeping.tidy()
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    "question",
    ["page=" + "9" * 5000, "shown=" + "9" * 5000, "photo=" + "9" * 5000, "since=0001-01-01T00:00:00%2B00:00",
     "since=9999-12-31T23:59:59-12:00", "page=-1", "state=%00", "since=%00"],
)  # fmt: skip
def test_odd_questions_are_answered_like_plain_ones(client: Client, alice: User, question: str) -> None:
    job = make.job(alice, 1)
    for name in ("job", "job-photos", "job-changes"):
        assert client.get(f"{reverse(name, args=[job.pk])}?{question}").status_code == 200


def test_a_selection_with_a_photo_of_another_job_is_refused_whole(client: Client, alice: User) -> None:
    job, other = make.job(alice, 2), make.job(alice, 1)
    path = reverse("job-zip", args=[job.pk])
    own, foreign = job.uploads.all()[0].pk, other.uploads.get().pk
    answer = client.get(path, {"upload": [own]})
    answer.close()
    assert answer.status_code == 200
    assert client.get(path, {"upload": [own, foreign]}).status_code == 404
    assert client.get(path, {"upload": ["abc"]}).status_code == 404


@pytest.mark.parametrize("written", ["{2}-{0}", "{0}-{2}", "{0}-{1},{2}", "{0},{1},{2}"])
def test_a_selection_that_is_empty_or_too_large_means_nothing_and_not_a_part(
    client: Client, alice: User, written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "MOST_LOADED", 2)
    job = make.job(alice, 3)
    named = {"upload": written.format(*job.uploads.order_by("pk").values_list("pk", flat=True))}
    assert client.get(reverse("job-zip", args=[job.pk]), named).status_code == 404
    assert client.post(reverse("photos-cancel"), named).status_code in (404, 409)
    assert not job.uploads.filter(status="cancelled").exists()


def test_ranges_of_ids_are_put_together() -> None:
    assert watch.ranges("7,3-4,5,1,9-12,10,3") == ((1, 1), (3, 5), (7, 7), (9, 12))
    assert watch.named(["4-5,1", "5-6"]) == [1, 4, 5, 6]
    view = watch.View(Job(), shown=watch.ranges("7,3-5,5-6,10-12"))
    assert [pk for pk in range(15) if view.shows(pk)] == [3, 4, 5, 6, 7, 10, 11, 12]
    assert watch.View(Job()).shows(8), "where none are named, all"


def test_a_view_of_ten_thousand_ranges_looks_at_few_of_them_for_each_photo() -> None:
    looked = 0

    class Id(int):
        def __lt__(self, other: int) -> bool:
            nonlocal looked
            looked += 1
            return int(self) < other

        __le__ = __gt__ = __ge__ = __lt__

    watch.View(Job(), shown=watch.ranges(",".join(map(str, range(0, 20_000, 2))))).shows(Id(15_001))
    assert looked < 20


def test_the_samples_sent_twice_make_one_job(client: Client, alice: User) -> None:
    for _ in range(2):
        client.post(reverse("samples"), {"model": "u2netp", "key": "one"})
    assert Job.objects.count() == 1


@pytest.mark.parametrize(
    ("states", "found_under"),
    [
        (["completed", "failed"], {"completed", "failed"}),
        (["completed", "cancelled"], {"cancelled"}),
        (["failed", "cancelled"], {"failed"}),
        (["completed"], {"completed"}),
        (["completed", "queued"], {"processing"}),
    ],
)
def test_the_filters_of_the_history_follow_the_derived_state(
    client: Client, alice: User, states: list[str], found_under: set[str]
) -> None:
    job = make.job(alice, len(states), name="Spring")
    for upload, state in zip(job.uploads.all(), states, strict=True):
        Upload.objects.filter(pk=upload.pk).update(status=state)
    found = {
        state
        for state in ("processing", "failed", "completed", "cancelled")
        if ">Spring<" in client.get(reverse("jobs"), {"state": state}).content.decode()
    }
    assert found == found_under


def test_a_job_can_be_renamed(client: Client, alice: User) -> None:
    job = make.job(alice, 1)
    client.post(reverse("job-rename", args=[job.pk]), {"name": "  Summer \n 2  "})
    job.refresh_from_db()
    assert job.name == "Summer 2"
    assert client.post(reverse("job-rename", args=[job.pk]), {"name": " "}).status_code == 422


def test_refused_files_stay_in_sight(client: Client, alice: User) -> None:
    job = make.job(alice, 1)
    Refusal.objects.create(job=job, name="logo.svg", code="invalid_file_type", detail="Unsupported image format: SVG.")
    page = client.get(reverse("job", args=[job.pk])).content.decode()
    assert "logo.svg" in page
    assert "Unsupported image format: SVG." in page


def test_names_are_escaped_everywhere(client: Client, alice: User) -> None:
    evil = "<img src=x onerror=alert(1)>"
    job = make.job(alice, 1, name=evil)
    Upload.objects.update(name=f'"{evil}.jpg', sent_name=evil, status="failed", error_message=evil)
    upload = job.uploads.get()
    for path in (reverse("job", args=[job.pk]), reverse("jobs"), reverse("photo", args=[upload.pk])):
        assert "<img src=x" not in client.get(path).content.decode()


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ({}, {"Spring", "Summer"}),
        ({"q": "spri"}, {"Spring"}),
        ({"q": "photo-1"}, {"Summer"}),
        ({"q": "nothing-like-it"}, set()),
        ({"state": "failed"}, {"Summer"}),
        ({"state": "processing"}, {"Spring"}),
        ({"state": "completed"}, set()),
        ({"state": "odd", "page": "odd"}, {"Spring", "Summer"}),
        ({"q": "9" * 40}, set()),
    ],
)
def test_the_history_is_searched_and_filtered(
    client: Client, alice: User, question: dict[str, str], found: set[str]
) -> None:
    make.job(alice, 1, name="Spring")
    summer = make.job(alice, 2, name="Summer")
    summer.uploads.update(status="failed")
    page = client.get(reverse("jobs"), question).content.decode()
    assert {name for name in ("Spring", "Summer") if f">{name}<" in page} == found


def test_operators_can_look_at_everybodys_history(alice: User, olga: User, bob: User, as_user: SignIn) -> None:
    make.job(alice, 1, name="Of Alice")
    everybody = {"owner": "everybody"}
    assert "Of Alice" in as_user(olga).get(reverse("jobs"), everybody).content.decode()
    assert "Of Alice" not in as_user(olga).get(reverse("jobs")).content.decode()
    assert "Of Alice" not in as_user(bob).get(reverse("jobs"), everybody).content.decode()


def test_a_photos_page_shows_its_facts(client: Client, alice: User) -> None:
    upload = make.upload(alice, status="completed", facts={"model": "u2netp", "timings": {"read": 0.1}})
    Variant.objects.create(upload=upload, name="result", status="completed", format="png", width=80, height=60, bytes=9)
    page = client.get(reverse("photo", args=[upload.pk])).content.decode()
    assert "u2netp" in page
    assert "80 × 60 PNG" in page


def test_a_photo_can_be_sent_with_the_plain_form(client: Client, alice: User) -> None:
    from tests.conftest import picture

    files = [SimpleUploadedFile("a.jpg", picture()), SimpleUploadedFile("b.txt", b"text")]
    answer = client.post("/", {"files": files, "model": "u2netp", "format": "jpg"})
    assert answer.status_code == 303
    job = Job.objects.get()
    assert (job.uploads.count(), job.refusals.count(), job.recipe["remove_bg"]) == (1, 1, False)


def test_nothing_accepted_is_422_and_no_job(client: Client, alice: User) -> None:
    answer: Any = client.post("/", {"files": [SimpleUploadedFile("b.txt", b"text")], "model": "u2netp"})
    assert answer.status_code == 422
    assert "Unsupported image format" in answer.content.decode()
    assert client.post("/", {"model": "u2netp"}).status_code == 422
    assert not Job.objects.exists()


def test_a_model_that_is_not_installed_is_refused_with_the_command(client: Client, alice: User) -> None:
    from tests.conftest import picture

    fields = {"files": [SimpleUploadedFile("a.jpg", picture())], "model": "birefnet-portrait", "remove_bg": "on"}
    answer = client.post("/", fields)
    assert answer.status_code == 422
    assert "fetch_weights birefnet-portrait" in answer.content.decode()
    assert not Job.objects.exists()


@pytest.mark.parametrize("fields", [{"quality": "0"}, {"quality": "many"}, {"format": "exe"}, {"model": "../x"}])
def test_a_recipe_that_does_not_fit_is_422(client: Client, fields: dict[str, str]) -> None:
    assert client.post("/", {"model": "u2netp", **fields}).status_code == 422
    assert client.post(reverse("send-files"), {"model": "u2netp", **fields}).status_code == 422


def test_a_script_sends_many_files_in_several_requests(client: Client, alice: User) -> None:
    from tests.conftest import picture

    def files(*names: str) -> dict[str, Any]:
        return {"files": [SimpleUploadedFile(name, picture()) for name in names], "model": "u2netp"}

    first = client.post(reverse("send-files"), {**files("1.jpg", "2.jpg"), "open": "true", "key": "one"}).json()
    again = client.post(reverse("send-files"), {**files("1.jpg", "2.jpg"), "open": "true", "key": "one"}).json()
    assert first == again
    assert (first["received"], first["accepted"], first["refused"]) == (2, 2, [])
    more = client.post(first["add_url"], files("1.jpg", "3.jpg"))
    assert more.status_code == 202
    assert client.post(first["close_url"]).json()["url"] == first["url"]
    late = client.post(first["add_url"], files("4.jpg"))
    assert (late.status_code, late.json()["code"]) == (409, "job_closed")
    assert sorted(Job.objects.get().uploads.values_list("name", flat=True)) == [
        "1 (2).jpg", "1.jpg", "2.jpg", "3.jpg",
    ]  # fmt: skip


def test_a_full_disk_is_507_and_a_plain_sentence(client: Client, alice: User, settings: Any) -> None:
    from tests.conftest import picture

    settings.FREE_SPACE_FLOOR = 10**18
    fields = {"files": [SimpleUploadedFile("a.jpg", picture())], "model": "u2netp"}
    answer = client.post(reverse("send-files"), fields)
    assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")


def test_the_sample_photos_make_a_job(client: Client, alice: User) -> None:
    answer = client.post(reverse("samples"), {"model": "u2netp"})
    assert answer.status_code == 302
    assert Job.objects.get().uploads.count() == 3


def test_the_page_of_a_paused_job_says_so_until_it_goes_on(client: Client, alice: User) -> None:
    line = "Paused by staff. It goes on when they resume it."
    csv, job = make.products(alice, 1), make.job(alice, 2)
    pauses.pause(alice, owner=alice)
    assert all(line in client.get(path).content.decode() for path in (f"/jobs/{job.pk}/", f"/products/{csv.pk}/"))
    pauses.resume(owner=alice)
    assert line not in client.get(f"/jobs/{job.pk}/").content.decode()
