"""What does not answer is left alone; what waits for it loses no try."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Count, QuerySet
from django.utils import timezone
from structlog.testing import capture_logs

from processing import breaker, dispatch, ledger, pauses, public, storage, tasks
from processing.errors import PhotoError
from processing.models import Breaker, Job, Status, Upload
from processing.recipe import Recipe
from tests import make

pytestmark = pytest.mark.django_db
HOST = breaker.fetch("img.example.com")
AWAY = PhotoError("storage_unavailable")
CUT = Recipe(remove_bg=True, model="u2netp", format="png")


def row(name: str = HOST) -> Breaker:
    return Breaker.objects.get(name=name)


def opened(name: str = HOST) -> Breaker:
    while not breaker.failed(name, "It does not answer."):
        pass
    return row(name)


def due(name: str = HOST) -> None:
    """It is time to let one through."""
    Breaker.objects.filter(name=name).update(probe_at=timezone.now())


def half_open(name: str = HOST, probe: int = 7) -> None:
    opened(name)
    due(name)
    assert breaker.let_through(name, probe)


# ---- one breaker ---------------------------------------------------------------------------------------------------


def test_so_many_failures_in_a_row_open_it(db: None) -> None:
    assert [breaker.failed(HOST, "It does not answer.") for _ in range(6)] == [False] * 4 + [True] * 2
    found = row()
    assert (found.state, found.failures, found.reason) == (Breaker.State.OPEN, 6, "It does not answer.")
    assert found.opened_at
    assert found.probe_at
    assert found.probe_at > timezone.now()
    assert breaker.open_ones().keys() == {HOST}


def test_a_success_in_between_forgets_them() -> None:
    for _ in range(3):
        for _ in range(4):
            assert not breaker.failed(HOST, "")
        breaker.succeeded([HOST])
    assert row().failures == 0


def test_failures_that_are_older_than_the_window_do_not_count() -> None:
    for _ in range(4):
        breaker.failed(HOST, "")
    Breaker.objects.update(first_failure_at=timezone.now() - timedelta(hours=2))
    assert not breaker.failed(HOST, "")
    assert row().failures == 1


def test_a_success_costs_one_look_where_nothing_failed(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        breaker.succeeded([breaker.STORAGE, HOST])


def test_an_attempt_that_began_before_does_not_close_it() -> None:
    opened()
    breaker.succeeded([HOST])
    assert row().state == Breaker.State.OPEN


def test_the_one_that_is_let_through_closes_it_or_opens_it_again() -> None:
    half_open()
    assert (row().state, row().probe) == (Breaker.State.HALF_OPEN, 7)
    began = row().opened_at
    assert breaker.failed(HOST, "Still not.")
    assert (row().state, row().probe, row().opened_at) == (Breaker.State.OPEN, None, began)
    due()
    assert breaker.let_through(HOST, 8)
    breaker.succeeded([HOST])
    assert (row().state, row().failures, row().probe_at) == (Breaker.State.CLOSED, 0, None)


def test_only_one_is_let_through_until_the_next_look() -> None:
    half_open()
    assert not breaker.let_through(HOST, 8)
    due()
    assert breaker.let_through(HOST, 9)


def test_one_that_is_tripped_stays_open_until_it_is_reset(olga: User) -> None:
    breaker.trip(HOST, olga)
    assert (row().state, row().tripped_by) == (Breaker.State.OPEN, olga)
    breaker.succeeded([HOST])
    assert not breaker.let_through(HOST, 7)
    assert not breaker.probe_now(HOST)
    olga.delete()
    assert not row().is_due
    assert breaker.reset(HOST)
    assert row().state == Breaker.State.CLOSED
    assert not breaker.reset(HOST)


def test_an_operator_need_not_wait_for_the_next_look() -> None:
    assert not breaker.probe_now(HOST)
    assert not opened().is_due
    assert breaker.probe_now(HOST)
    assert row().is_due


def test_what_has_not_failed_for_long_is_forgotten() -> None:
    breaker.failed(HOST, "")
    Breaker.objects.update(last_failure_at=timezone.now() - timedelta(hours=2))
    opened("hooks:gone.example.com")  # and nobody is told anything there any more
    Breaker.objects.filter(name="hooks:gone.example.com").update(probe_at=timezone.now() - timedelta(hours=2))
    breaker.failed(breaker.fetch("other.example.com"), "")
    assert set(Breaker.objects.values_list("name", flat=True)) == {"fetch:other.example.com"}


def test_those_in_trouble_are_told_the_open_ones_first_and_of_these_storage() -> None:
    for name in (HOST, breaker.STORAGE, breaker.model("u2net"), "hooks:a.example.com"):
        opened(name)
    breaker.failed("fetch:z.example.com", "")
    breaker.failed("model:isnet", "")
    breaker.succeeded(["model:isnet"])
    names = ["storage", "model:u2net", "hooks:a.example.com", HOST]
    assert [row.name for row in breaker.troubled()] == [*names, "fetch:z.example.com"]
    assert list(breaker.open_ones()) == names


@pytest.mark.parametrize(
    ("name", "said"),
    [("storage", "Storage"), ("fetch:img.example.com", "img.example.com"), ("model:u2net", "The model u2net")],
)
def test_people_read_a_plain_name(name: str, said: str) -> None:
    assert breaker.label(name) == said


@pytest.mark.django_db(transaction=True)
def test_failures_at_the_same_moment_all_count_and_open_it_once(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        start.wait()
        breaker.failed(HOST, "")
        connection.close()

    start = threading.Barrier(8)
    threads = [threading.Thread(target=fail) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (row().failures, row().state) == (8, Breaker.State.OPEN)
    assert [record.getMessage() for record in caplog.records].count(f"breaker {HOST} opens: ") == 1


# ---- photos that wait ----------------------------------------------------------------------------------------------


def fail(upload: Upload, error: PhotoError = AWAY) -> Upload:
    claim = ledger.claim(upload.pk) if upload.source else ledger.claim_fetch(upload.pk)
    assert claim
    ledger.fail(claim, error)
    upload.refresh_from_db()
    return upload


def tend() -> None:
    dispatch.Dispatcher().tend_breakers()


def parked(job: Job) -> int:
    return job.uploads.exclude(waits_for="").count()


def test_the_attempt_that_opens_it_is_not_counted_and_those_behind_it_are_not_begun(alice: User) -> None:
    job = make.job(alice, photos=8)
    *counted, last = [fail(upload) for upload in job.uploads.order_by("pk")[:5]]
    assert [(one.attempts, one.error_code) for one in counted] == [(1, "storage_unavailable")] * 4
    assert (last.attempts, last.status, last.waits_for) == (0, Status.QUEUED, breaker.STORAGE)
    assert public._error(last) == {
        "code": "breaker_open", "message": "Storage does not answer.",
        "remedy": "The photo waits for it and loses no try.", "transient": True,
    }  # fmt: skip
    tend()
    assert parked(job) == 8 == breaker.parked()[breaker.STORAGE]
    assert all(ledger.claim(pk) is None for pk in job.uploads.values_list("pk", flat=True))


def test_when_it_is_time_one_is_let_through_and_its_success_releases_all(alice: User) -> None:
    job = make.job(alice, photos=6)
    opened(breaker.STORAGE)
    tend()
    assert parked(job) == 6
    due(breaker.STORAGE)
    tend()
    tend()
    assert parked(job) == 5
    probe = job.uploads.get(waits_for="")
    assert row(breaker.STORAGE).probe == probe.pk
    make.finish(probe)
    assert row(breaker.STORAGE).state == Breaker.State.CLOSED
    tend()
    assert parked(job) == 0
    assert set(job.uploads.values_list("error_code", "attempts")) == {("", 0), ("", 1)}


def test_another_is_let_through_each_time(alice: User) -> None:
    job = make.job(alice, photos=3)
    opened(breaker.STORAGE)
    tried = []
    for _ in range(3):
        due(breaker.STORAGE)
        tend()
        tried.append(fail(job.uploads.get(waits_for="")).pk)
    assert len(set(tried)) == 3
    assert set(job.uploads.values_list("attempts", flat=True)) == {0}


@pytest.mark.parametrize("lose", [ledger.cancel, lambda rows: rows.delete()])
def test_one_that_is_cancelled_or_deleted_on_trial_does_not_keep_the_others(
    alice: User, lose: Callable[[Any], object]
) -> None:
    job = make.job(alice, photos=3)
    opened(breaker.STORAGE)
    due(breaker.STORAGE)
    tend()
    lose(job.uploads.filter(waits_for=""))
    due(breaker.STORAGE)
    tend()
    probe = row(breaker.STORAGE).probe
    assert job.uploads.filter(pk=probe, waits_for="", status=Status.QUEUED).exists()


def test_one_that_nobody_is_parked_behind_closes_when_it_is_time(alice: User) -> None:
    thumbnail = make.finish(make.upload(alice)).variants.get(status="pending")
    opened(breaker.STORAGE)
    dispatcher = dispatch.Dispatcher()
    for _ in range(2):
        dispatcher.tend_breakers()
        assert dispatcher.thumbnails() == []
        due(breaker.STORAGE)
    dispatcher.tend_breakers()
    assert row(breaker.STORAGE).state == Breaker.State.CLOSED
    assert dispatcher.thumbnails() == [thumbnail.pk]


def test_a_model_that_an_operator_tripped_does_not_keep_storage_from_closing(alice: User, olga: User) -> None:
    job = make.job(alice, photos=2, recipe=CUT)
    breaker.trip(breaker.model("u2netp"), olga)
    tend()
    opened(breaker.STORAGE)
    due(breaker.STORAGE)
    tend()
    assert breaker.open_ones().keys() == {breaker.model("u2netp")}
    assert parked(job) == 2


def test_a_paused_photo_is_not_let_through(alice: User, bob: User) -> None:
    make.job(alice, photos=3)
    free = make.upload(bob)
    opened(breaker.STORAGE)
    tend()
    pauses.pause(bob, owner=alice)
    due(breaker.STORAGE)
    tend()
    assert row(breaker.STORAGE).probe == free.pk


@pytest.mark.parametrize(("chosen", "owner"), [(min, "alice"), (max, "bob")])
def test_whose_photo_is_let_through_is_left_to_chance_however_many_somebody_has(
    alice: User, bob: User, monkeypatch: pytest.MonkeyPatch, chosen: Callable[[list[int]], int], owner: str
) -> None:
    first = [make.job(alice, photos=9).uploads.order_by("pk").first(), make.upload(bob)]
    opened(breaker.STORAGE)
    tend()
    monkeypatch.setattr("random.choice", chosen)
    due(breaker.STORAGE)
    tend()
    probe = row(breaker.STORAGE).probe
    assert [one.job.owner.username for one in first if one and one.pk == probe] == [owner]


def test_it_is_logged_that_one_is_let_through_where_it_is(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    make.job(alice, photos=2)
    opened(breaker.STORAGE)
    tend()
    due(breaker.STORAGE)
    with monkeypatch.context() as another, capture_logs() as logs:
        another.setattr(breaker, "let_through", lambda name, pk: False)  # another was quicker
        tend()
    assert logs == []
    with capture_logs() as logs:
        tend()
    assert [line["event"] for line in logs] == ["breaker_lets_through"]


# ---- many hosts ------------------------------------------------------------------------------------------------------


def many(owner: User, hosts: int) -> Job:
    """A CSV of which no host answers, its photos parked."""
    job = make.products(owner, [[f"https://{number}.example.com/1.jpg"] for number in range(hosts)])
    for upload in job.uploads.all():
        opened(breaker.fetch(upload.host))
    return job


def test_what_a_turn_costs_does_not_grow_with_the_hosts(alice: User, django_assert_num_queries: Any) -> None:
    job = many(alice, 25)
    for expected in (dispatch.TENDED, 25):
        tend()
        assert parked(job) == expected
    with django_assert_num_queries(3):
        tend()


def test_a_turn_lets_through_and_releases_but_a_few_and_the_next_goes_on(alice: User) -> None:
    many(alice, 25)
    for _ in range(2):
        tend()
    Breaker.objects.update(probe_at=timezone.now())
    for expected in (dispatch.TENDED, 25):
        tend()
        assert Breaker.objects.filter(state=Breaker.State.HALF_OPEN).count() == expected


# ---- what waits too long ---------------------------------------------------------------------------------------------


LONG_AGO = timedelta(hours=settings.BREAKER_HOURS, minutes=1)


def long_ago(rows: "QuerySet[Upload]") -> None:
    """They were asked for long ago, and what they need did not answer then already."""
    then = timezone.now() - LONG_AGO
    rows.filter(queued_at=None).update(created_at=then)
    rows.exclude(queued_at=None).update(queued_at=then)
    rows.update(changed_at=then)
    Breaker.objects.update(opened_at=then)


def test_what_waits_for_a_breaker_that_is_closed_is_released(alice: User) -> None:
    job = make.job(alice, photos=2)
    opened(breaker.STORAGE)
    tend()
    breaker.reset(breaker.STORAGE)
    tend()
    assert parked(job) == 0


def test_what_waits_too_long_for_a_host_fails(alice: User) -> None:
    job = make.products(alice, 3)
    opened()
    tend()
    long_ago(job.uploads.filter(position__lt=2))
    assert ledger.give_up() == 2
    assert dict(job.uploads.values_list("status").annotate(Count("pk"))) == {"failed": 2, "new": 1}
    assert job.uploads.filter(status="failed", error_code="breaker_open", waits_for="").count() == 2
    assert ledger.retry(job.uploads.all()) == 2
    tend()
    assert (parked(job), ledger.give_up()) == (3, 0)


def test_the_tries_in_between_do_not_make_it_wait_anew(alice: User) -> None:
    job = make.job(alice, photos=2, recipe=CUT)
    opened(breaker.model("u2netp"))
    tend()
    long_ago(job.uploads.all())
    for _ in range(2):
        due(breaker.model("u2netp"))
        tend()
        fail(job.uploads.get(waits_for=""), PhotoError("model_failed", model="u2netp", reason="It broke"))
    assert ledger.give_up() == 2


def test_what_has_waited_long_in_the_queue_does_not_fail_as_soon_as_a_host_is_left_alone(alice: User) -> None:
    job = make.products(alice, 2)
    long_ago(job.uploads.all())
    opened()
    tend()
    assert (parked(job), ledger.give_up()) == (2, 0)


@pytest.mark.parametrize("name", [breaker.STORAGE, "tripped", "for ever"])
def test_some_wait_for_as_long_as_that_takes(alice: User, olga: User, settings: Any, name: str) -> None:
    job = make.products(alice, 2)
    opened(breaker.STORAGE if name == breaker.STORAGE else HOST)
    if name == "tripped":
        breaker.trip(HOST, olga)
    if name == "for ever":
        settings.BREAKER_HOURS = 0
    tend()
    long_ago(job.uploads.all())
    assert (parked(job), ledger.give_up()) == (2, 0)


@pytest.mark.parametrize("asked", [ledger.cancel, lambda rows: ledger.redo(rows, CUT)])
def test_whoever_asks_for_something_else_takes_it_out_of_the_line(alice: User, asked: Callable[[Any], int]) -> None:
    upload = make.upload(alice)
    opened(breaker.STORAGE)
    tend()
    assert asked(Upload.objects.filter(pk=upload.pk)) == 1
    upload.refresh_from_db()
    assert (upload.waits_for, upload.error_code == "breaker_open") == ("", False)


def test_a_redo_that_waits_is_completed_again_when_it_is_cancelled(alice: User) -> None:
    upload = make.finish(make.upload(alice))
    ledger.redo(Upload.objects.filter(pk=upload.pk), CUT)
    opened(breaker.STORAGE)
    tend()
    ledger.cancel(Upload.objects.filter(pk=upload.pk))
    upload.refresh_from_db()
    assert (upload.status, upload.waits_for, upload.error_code) == (Status.COMPLETED, "", "")


def test_a_model_keeps_those_alone_whose_recipe_names_it(alice: User) -> None:
    cut, plain, own = make.job(alice, recipe=CUT), make.job(alice), make.job(alice)
    ledger.redo(own.uploads.all(), CUT)
    opened(breaker.model("u2netp"))
    tend()
    assert [parked(job) for job in (cut, plain, own)] == [1, 0, 1]


def test_a_host_keeps_its_own_photos_alone(alice: User) -> None:
    job = make.products(alice, [["https://img.example.com/1.jpg"], ["https://other.example.com/1.jpg"]])
    opened(HOST)
    tend()
    assert list(job.uploads.exclude(waits_for="").values_list("host", flat=True)) == ["img.example.com"]


def test_two_that_do_not_answer_do_not_hold_up_the_trials_of_each_other(alice: User) -> None:
    job = make.job(alice, photos=4, recipe=CUT)
    for name in (breaker.STORAGE, breaker.model("u2netp")):
        opened(name)
    tend()
    due(breaker.STORAGE)
    tend()
    tend()
    assert parked(job) == 3


def test_a_dispatcher_that_finds_all_closed_looks_twice(django_assert_num_queries: Any) -> None:
    breaker.failed(HOST, "")
    with django_assert_num_queries(2):
        tend()


# ---- who is to blame -----------------------------------------------------------------------------------------------


def transient(code: str) -> PhotoError:
    return PhotoError(code, transient=True, reason="The address answered 503")


def test_a_host_that_says_no_has_answered(alice: User) -> None:
    uploads = list(make.products(alice, 6).uploads.order_by("pk"))
    for upload in uploads[:4]:
        fail(upload, transient("failed_image_download"))
    fail(uploads[4], PhotoError("failed_image_download", reason="The address answered 404"))
    assert row(HOST).failures == 0
    assert uploads[4].status == Status.FAILED


def test_a_host_that_does_not_answer_is_left_alone(alice: User) -> None:
    uploads = list(make.products(alice, 5).uploads.order_by("pk"))
    for upload, code in zip(uploads, ["failed_image_download", "fetch_timeout"] * 3, strict=False):
        fail(upload, transient(code))
    assert (uploads[4].waits_for, uploads[4].status, uploads[4].attempts) == (HOST, Status.NEW, 0)
    assert uploads[4].error_message == "img.example.com does not answer."


def test_a_photo_that_fails_for_its_own_reason_says_that_storage_answers(alice: User) -> None:
    half_open(breaker.STORAGE)
    fail(make.upload(alice), PhotoError("no_face_found"))
    assert row(breaker.STORAGE).state == Breaker.State.CLOSED


def test_a_file_that_cannot_be_read_opens_nothing_while_its_neighbours_can(
    alice: User, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.RETRY_DELAY, settings.BREAKER_FAILURES = 0, 2
    bad, *good = make.job(alice, photos=4).uploads.order_by("pk")
    Upload.objects.filter(pk=bad.pk).update(source=f"{alice.pk}/{bad.job_id}/originals")  # a folder: EISDIR
    for upload in good:
        tasks.process_upload(bad.pk)
        tasks.process_upload(upload.pk)
    bad.refresh_from_db()
    assert (bad.status, bad.error_code, bad.attempts) == (Status.QUEUED, "storage_unavailable", 2)
    assert {Upload.objects.get(pk=upload.pk).status for upload in good} == {Status.COMPLETED}
    assert row(breaker.STORAGE).state == Breaker.State.CLOSED


def test_thumbnails_lose_no_try_either(alice: User, settings: Any) -> None:
    variant = make.upload(alice).variants.get()
    opened(breaker.STORAGE)
    settings.FILES_DIR.rename(settings.FILES_DIR.with_name("away"))
    tasks.make_thumbnail(variant.pk)
    variant.refresh_from_db()
    assert (variant.status, variant.attempts) == ("pending", 0)
    made = dispatch.Dispatcher()
    made.tend_breakers()
    variant.not_before = None
    variant.save()
    assert made.thumbnails() == []


# ---- storage that is not there -------------------------------------------------------------------------------------


def test_an_original_out_of_reach_is_not_missing(alice: User, settings: Any) -> None:
    upload = make.upload(alice)
    settings.FILES_DIR.rename(settings.FILES_DIR.with_name("away"))
    settings.FILES_DIR.mkdir()  # the folder that a disk was mounted on
    for use in (lambda: storage.read(upload.source), lambda: storage.write("1/1/a", [b"a"]), storage.check_space):
        with pytest.raises(PhotoError) as raised:
            use()
        assert raised.value.code == "storage_unavailable"
    assert not list(settings.FILES_DIR.iterdir())


def test_the_folder_of_an_older_version_is_marked_where_its_files_are(alice: User, settings: Any) -> None:
    upload = make.upload(alice)
    (settings.FILES_DIR / storage.MARK).unlink()
    storage.check()
    storage.delete([upload.source])
    with pytest.raises(PhotoError, match="original_missing"):
        storage.read(upload.source)
