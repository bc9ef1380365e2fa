"""The numbers of the queue page are right, cost the same for few and many, and are shown in every state."""

import socket
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families as families

from photoproc.addresses import storage_address
from processing import crew, doctor, overview, pauses, queue, show
from processing.crew import Loss, Sign
from processing.models import Breaker, BulkAct, Delivery, Event, EventType, Job, Pause, Status, Upload
from processing.overview.pace import SPANS, Bar, Pace
from tests import make
from tests.api.programs import program

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def nobody_at_work() -> None:
    """Each test begins with a Redis in which no worker has given a sign of life."""
    queue.connection().flushdb()
    overview.shared.forget()


def rows(owner: User, *, job: Job | None = None, count: int = 1, **values: Any) -> list[Upload]:
    """So many photos as they stand in the database, without files."""
    job = job or Job.objects.create(owner=owner, name="Spring", recipe=make.PLAIN.to_json())
    first = job.uploads.count()
    return Upload.objects.bulk_create(
        Upload(job=job, position=at, name=f"photo-{at}.jpg", sent_name=f"photo-{at}.jpg", **values)
        for at in range(first, first + count)
    )


def failed(owner: User, code: str = "fetch_timeout", *, ago: timedelta = timedelta(), **values: Any) -> list[Upload]:
    values = {"error_message": "img.example.com did not answer in 30 s.", "error_remedy": "Try again later.", **values}
    return rows(owner, status="failed", error_code=code, finished_at=timezone.now() - ago, **values)


def completed(owner: User, waited: float | None = 2.0, ran: float = 1.0, **values: Any) -> list[Upload]:
    now = timezone.now()
    return rows(
        owner, status="completed", started_at=now - timedelta(seconds=ran), finished_at=now,
        facts={"waited": waited, "model": "u2netp"}, **values,
    )  # fmt: skip


def page(operator: User, span: str = "h") -> str:
    overview.shared.forget()
    return "".join(overview.fragments(span, operator).values())


@pytest.fixture
def root(db: None) -> User:
    """May everything."""
    return User.objects.create_superuser("root", "root@example.com", "root-password")


# ---- photos ---------------------------------------------------------------------------------------------------------


def test_each_state_is_counted_and_who_waits_longest_is_known(alice: User) -> None:
    now = timezone.now()
    rows(alice, status="queued", queued_at=now - timedelta(seconds=90), count=2)
    rows(alice, status="queued", queued_at=now - HOUR, waits_for="fetch:img.example.com")
    rows(alice, status="new", count=3)
    rows(alice, status="processing")
    completed(alice, needs_review=True, count=2)
    completed(alice)
    rows(alice, status="queued", needs_review=True, queued_at=now)  # redone: it is not to be reviewed now
    failed(alice)
    seen = overview.snapshot()
    counts = seen.counts
    assert counts.by_state == {"new": 3, "queued": 4, "processing": 1, "completed": 3, "failed": 1, "cancelled": 0}
    assert (counts.to_review, counts.review_jobs) == (2, 1)
    assert counts.waited == pytest.approx(90, abs=5)


def test_photos_of_deleted_jobs_do_not_count(alice: User) -> None:
    gone = Job.objects.create(owner=alice, name="Gone", recipe={}, deleted_at=timezone.now())
    for status in Status.values:
        rows(alice, job=gone, status=status, queued_at=timezone.now(), finished_at=timezone.now(), needs_review=True)
    seen = overview.snapshot()
    assert (set(seen.counts.by_state.values()), seen.counts.to_review, seen.failures.total) == ({0}, 0, 0)


def test_page_api_metrics_and_doctor_answer_alike(alice: User, olga: User, root: User) -> None:
    now, job = timezone.now(), Job.objects.create(owner=alice, name="Spring", recipe={})
    gone = Job.objects.create(owner=alice, name="Gone", recipe={}, deleted_at=now)
    rows(alice, job=job, status="queued", queued_at=now - 2 * HOUR, not_before=now + HOUR)  # it backs off
    for of in (job, gone):
        rows(alice, job=of, status="queued", queued_at=now - 90 * HOUR, waits_for="storage")
        rows(alice, job=of, status="completed", finished_at=now)
    rows(alice, job=gone, status="queued", queued_at=now - 91 * HOUR)
    rows(alice, job=job, status="new")
    Breaker.objects.create(name="storage", state="open", failures=5)
    seen, api = overview.snapshot(), program(olga, "queue").get("/api/v1/queue").json()
    text = program(olga, "queue").get("/metrics").content.decode()
    metrics = {(one.name, one.labels.get("state")): one.value for family in families(text) for one in family.samples}
    for waited in (seen.counts.waited, api["oldest_wait"], metrics["photoproc_queue_oldest_seconds", None]):
        assert waited == pytest.approx(7200, abs=60)
    late = [one.text for one in doctor.examine() if one.text.startswith("A photo waits")]
    assert late == [f"A photo waits since {show.moment(now - 2 * HOUR)}."]
    counted = {"new": 1, "queued": 2, "processing": 0, "completed": 1, "failed": 0, "cancelled": 0}
    assert seen.counts.by_state == api["counts"] == counted
    assert {state: metrics["photoproc_uploads_by_state", state] for state in counted} == counted
    assert [(one.row.name, one.parked) for one in seen.breakers[:1]] == [("storage", 1)]
    assert [(one["name"], one["parked"]) for one in api["breakers"]] == [("storage", 1)]
    assert "2 h 0 min" in (shown := page(root))
    assert "1 still to arrive, 1 parked" in shown


def test_what_has_ended_is_counted_too(alice: User, root: User) -> None:
    completed(alice, count=1200)
    rows(alice, status="cancelled", count=7)
    assert "1,200 completed" in (shown := page(root))
    assert "7 cancelled" in shown


def test_failures_are_grouped_by_code_most_first(alice: User) -> None:
    failed(alice, "no_face_found", error_message="No face was found.", ago=HOUR)
    failed(alice, count=3, host="img.example.com")
    seen = overview.snapshot().failures
    assert [(one.code, one.count, one.retry, one.width) for one in seen.kinds] == [
        ("fetch_timeout", 3, True, 750),
        ("no_face_found", 1, False, 250),
    ]
    assert seen.kinds[0].often == "3 of the newest 3 from img.example.com"
    assert seen.kinds[0].query == "state:failed error:fetch_timeout"
    assert seen.newest == seen.kinds[0].newest


def test_what_most_messages_of_a_code_say_is_told(alice: User) -> None:
    failed(alice, "failed_image_download", error_message="It answered 403.", count=3)
    failed(alice, "failed_image_download", error_message="It answered 500.")
    assert overview.snapshot().failures.kinds[0].often == "3 of the newest 4 “It answered 403”"


def test_a_code_of_another_version_and_none_at_all_are_shown_as_they_were_stored(alice: User, root: User) -> None:
    failed(alice, "of_tomorrow", error_message="The <moon> was full.", error_remedy="Wait.")
    failed(alice, "", error_message="", error_remedy="")
    failed(alice, "unknown_foreground", error_message="", error_remedy="")
    kinds = {one.code: one for one in overview.snapshot().failures.kinds}
    assert (kinds["of_tomorrow"].message, kinds["of_tomorrow"].retry) == ("The <moon> was full.", False)
    assert kinds[""].query == "state:failed"
    assert kinds["unknown_foreground"].message == "No subject was found."
    assert "The &lt;moon&gt; was full." in page(root)


# ---- pace -----------------------------------------------------------------------------------------------------------


def test_each_bar_holds_what_ended_in_its_minute(alice: User) -> None:
    completed(alice, count=3)
    failed(alice, count=2)
    failed(alice, ago=timedelta(minutes=30))
    failed(alice, ago=timedelta(hours=3))
    hour, day = overview.snapshot("h").pace, overview.snapshot("d").pace
    assert (len(hour.bars), hour.ended, hour.failed, hour.now) == (60, 6, 3, 5)
    assert sum((bar.completed, bar.failed) == (0, 1) for bar in hour.bars) == 1
    assert (len(day.bars), day.ended, day.failed) == (96, 7, 4)
    assert [len(hour.table), len(day.table)] == [4, 8]
    assert sum(row.failed for row in day.table) == 4


def test_the_bars_are_drawn_on_top_of_each_other() -> None:
    now = timezone.now()
    bars = [Bar(now), Bar(now, 4, 4), Bar(now, 1000, 0), *[Bar(now)] * 57]
    drawn = Pace(SPANS["h"], bars, 8)
    assert drawn.most == 1000
    assert drawn.drawn == ("M11 100v-1.5h8v1.5zM21 100v-98.5h8v98.5z", "M11 98.5v-1.5h8v1.5z")
    assert drawn.worst == bars[1]
    assert Pace(SPANS["h"], bars, 1200).most == 1200


def test_waits_and_runs_are_told_as_half_and_nearly_all_stay_under(alice: User) -> None:
    for seconds in range(1, 21):
        completed(alice, waited=seconds, ran=seconds / 10)
    completed(alice, waited=None, ran=0.1)
    times = overview.snapshot().times
    assert times.wait
    assert times.run
    assert (times.wait.half, times.wait.most) == (10, 19)
    assert (round(times.run.half, 1), round(times.run.most, 1)) == (1.0, 1.9)
    assert times.models == ["u2netp"]


# ---- what the work depends on ---------------------------------------------------------------------------------------


def sign(name: str, upload: Upload | None = None, **values: Any) -> Sign:
    said = {"queue": queue.PHOTOS, "host": "here", "pid": int(name[1:]), "since": timezone.now(), "photos": 3,
            "memory": 10**9}  # fmt: skip
    return Sign(name=name, upload_id=upload and upload.pk, **(said | values))


def test_workers_are_shown_with_what_they_do_and_how_much_memory_they_take(
    alice: User, root: User, settings: Any
) -> None:
    settings.WORKER_MEMORY = 2 * 10**9
    held = rows(alice, status="processing", step="background", started_at=timezone.now() - timedelta(seconds=40))[0]
    crew.say(sign("w1", held))
    crew.say(sign("w2", memory=3 * 10**9))
    crew.say(sign("i3", queue=queue.IO))
    crew.lost(Loss("w4", timezone.now(), "It was killed (SIGKILL)"))
    crew.lost(Loss("w5", timezone.now() - 2 * HOUR, "long ago"))
    seen = overview.snapshot().workers
    first, second = seen.at_work
    assert (first.photo, first.is_slow, first.width, second.photo, second.width) == (held, True, 500, None, 1000)
    assert (seen.known, seen.io, [loss.name for loss in seen.lost]) == (True, 1, ["w4"])
    shown = page(root)
    assert "slow" in shown
    assert "Lost 1 in the last hour. w4 at " in shown
    assert ": It was killed (SIGKILL). " in shown


def test_while_the_last_worker_is_replaced_nobody_is_alarmed(alice: User, root: User) -> None:
    rows(alice, status="queued", queued_at=timezone.now())
    assert 'id="queue-no-workers"' in page(root)
    crew.say(sign("w1", host=socket.gethostname()))
    crew.gone(queue.PHOTOS, 1)
    assert overview.snapshot().workers.at_work == []
    assert 'id="queue-no-workers"' not in page(root)


def test_without_redis_the_workers_are_unknown_and_all_else_is_told(
    alice: User, root: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> Any:
        raise redis.ConnectionError

    monkeypatch.setattr(crew, "at_work", away)
    failed(alice)
    seen = overview.snapshot()
    assert not seen.workers.known
    assert seen.failures.total == 1
    assert "Redis does not answer" in page(root)


def test_breakers_keep_their_places_and_hosts_that_are_well_are_left_out(alice: User, root: User) -> None:
    now = timezone.now()
    Breaker.objects.create(name="fetch:well.example.com")
    Breaker.objects.create(name="fetch:odd.example.com", failures=2, reason="It answered 500.")
    Breaker.objects.create(name="hooks:half.example.com", state="half open", failures=5, probe=1, probe_at=now)
    soon = now + timedelta(seconds=40)
    Breaker.objects.create(
        name="fetch:[::1]", state="open", failures=5, reason="Silence.", opened_at=now, probe_at=soon
    )
    Breaker.objects.create(name="model:u2netp", state="open", opened_at=now, tripped_by=root)
    rows(alice, status="new", waits_for="fetch:[::1]", count=2)
    seen = overview.snapshot()
    assert [one.thing for one in seen.breakers] == ["Storage", "[::1]", "odd.example.com", "half.example.com", "u2netp"]
    assert (seen.breakers[1].parked, seen.parked) == (2, 2)
    assert 35 < seen.breakers[1].look_in <= 40
    shown = page(root)
    assert "2 photos wait for it and lose no try." in shown
    Upload.objects.filter(pk=Upload.objects.latest("pk").pk).delete()
    assert "1 photo waits for it and loses no try." in page(root)
    assert "was tripped</b> by root" in shown
    assert "Half open: one is on trial." in shown
    assert "well.example.com" not in shown


def test_what_is_still_to_be_told_is_counted_and_who_does_not_hear_is_named(alice: User, olga: User) -> None:
    well, deaf, off = (make.endpoint(alice, f"https://{name}.example.com/hook") for name in ("well", "deaf", "off"))
    type(off).objects.filter(pk=off.pk).update(paused_at=timezone.now())
    for to, tries, done in ((well, 0, None), (deaf, 2, None), (off, 2, None), (deaf, 1, timezone.now())):
        event = Event.objects.create(owner=alice, type=EventType.JOB_COMPLETED, body="{}")
        Delivery.objects.create(event=event, endpoint=to, attempts=tries, delivered_at=done)
    seen = overview.snapshot().webhooks
    assert (seen.waiting, seen.failing) == (2, ["deaf.example.com"])
    assert seen.oldest
    assert "photoproc_webhook_deliveries_waiting 2.0" in program(olga, "queue").get("/metrics").content.decode()


def test_a_disk_that_does_not_answer_is_said(root: User, settings: Any, tmp_path: Any) -> None:
    (tmp_path / "a-file").write_text("in the way")
    settings.FILES_DIR = tmp_path / "a-file" / "files"
    assert overview.snapshot().space is None
    assert "The disk does not answer" in page(root)


def test_a_bucket_has_a_name_and_no_end(root: User, settings: Any) -> None:
    settings.STORAGE = storage_address("s3://key:secret@photos/house?endpoint=https://s3.example.com")
    shown = page(root)
    assert "In the bucket s3://photos/house/ at s3.example.com." in shown
    assert "secret" not in shown
    assert "free of" not in shown
    settings.FREE_SPACE_FLOOR = 10**18
    assert "Make room on the server" in page(root)


# ---- all of it ------------------------------------------------------------------------------------------------------


def test_many_photos_cost_no_more_queries_than_few(alice: User, root: User) -> None:
    with CaptureQueriesContext(connection) as few:
        overview.snapshot()
    for code in ("fetch_timeout", "no_face_found", "timeout", "of_tomorrow"):
        failed(alice, code, count=30)
    for number in range(5):
        completed(alice, count=20, needs_review=True)
        crew.say(sign(f"w{number}", rows(alice, status="processing")[0]))
        Breaker.objects.create(name=f"fetch:{number}.example.com", state="open", tripped_by=root)
        Pause.objects.create(key=f"person-{number}", owner=alice, by=root)
        BulkAct.objects.create(verb="retry", query="state:failed", by=root)
    with CaptureQueriesContext(connection) as many:
        overview.snapshot()
    assert len(many) <= len(few) + 2  # photos in hand and examples: asked for only where there are some
    assert len(many) < 20


def test_all_who_look_within_a_second_are_shown_the_same_until_somebody_acts(alice: User) -> None:
    first = overview.shared.get("h")
    failed(alice)
    assert overview.shared.get("h") is first
    assert overview.shared.get("d").failures.total == 1
    overview.shared.forget()
    assert overview.shared.get("h").failures.total == 1


def test_a_look_that_was_begun_before_somebody_acted_is_not_shown_to_the_next(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(span: str) -> overview.Overview:
        found = snapshot(span)
        failed(alice)
        overview.shared.forget()
        return found

    snapshot = overview.snapshot
    monkeypatch.setattr(overview, "snapshot", interrupted)
    assert overview.shared.get("h").failures.total == 0
    monkeypatch.setattr(overview, "snapshot", snapshot)
    assert overview.shared.get("h").failures.total == 1


def test_an_empty_house_says_so(root: User) -> None:
    shown = page(root)
    assert "No photo failed" in shown
    assert "No worker is at work." in shown
    assert 'class="banner"' not in shown


def test_where_no_worker_has_begun_yet_the_machine_says_why(alice: User, root: User) -> None:
    make.job(alice)
    assert "<b>No worker is at work.</b> 1 photo waits. Look at the log of the server." in page(root)
    crew.tell(queue.PHOTOS, 0, "It tries out what is fastest on it, once")
    overview.shared.forget()
    shown = page(root)
    assert (
        f"<b>No worker is at work yet.</b> 1 photo waits. {crew.HOST}: It tries out what is fastest on it, once."
        in shown
    )
    assert 'data-state="failed" id="queue-no-workers"' not in shown


def test_what_is_held_comes_first_with_who_did_it(alice: User, root: User) -> None:
    job = make.job(alice, name="A" * 200)
    pauses.pause(root, drains=True)
    pauses.pause(root, owner=alice)
    pauses.pause(root, job=job)
    overview.shared.forget()
    shown = overview.fragments("h", root)["banner"]
    assert "The queue drains." in shown
    assert 'name="person" value="alice"' in shown
    assert f'name="job" value="{job.pk}"' in shown
    assert shown.count("By root.") == 3


def test_a_drain_says_how_much_is_left_and_when_it_has_run_dry(alice: User, root: User) -> None:
    job = make.job(alice, 2)
    pauses.pause(root, drains=True)
    pauses.pause(root, job=job, drains=True)
    make.job(alice, 3)
    assert "2 photos to go; what comes later waits." in (shown := page(root))
    assert "</time>, 2 photos to go." in shown
    job.uploads.update(status="completed")
    assert "is all done; what comes later waits." in (shown := page(root))
    assert "</time>, nothing left to do." in shown


def test_the_buttons_at_the_head_are_live(root: User, settings: Any) -> None:
    settings.WORKERS, settings.MOST_WORKERS = 2, 8
    before = overview.fragments("h", root)["steer"]
    pauses.pause(root)
    crew.want(queue.PHOTOS, 6, root)
    overview.shared.forget()
    after = overview.fragments("h", root)["steer"]
    assert (">Pause<" in before, 'name="size" value="3"' in before) == (True, True)
    assert (">Resume<" in after, 'name="size" value="7"' in after) == (True, True)
    assert 'hx-swap-oob="true"' in after


def test_a_running_act_shows_how_far_it_is_and_can_be_stopped(root: User) -> None:
    act = BulkAct.objects.create(verb="retry", query="state:failed", by=root, matched=1200, done=300, per_minute=60)
    shown = page(root)
    assert "Retrying: 300 of 1,200" in shown
    assert "at most 60 a minute" in shown
    assert f'name="act" value="{act.pk}"' in shown


def test_an_act_that_has_ended_says_for_a_minute_what_came_of_it(alice: User, root: User) -> None:
    now = timezone.now()
    ended = {"query": "state:failed", "by": root, "matched": 1200, "ended_at": now}
    BulkAct.objects.create(verb="retry", done=1, **ended)
    BulkAct.objects.create(verb="cancel", done=20, stopped_by=root, **ended)
    BulkAct.objects.create(verb="delete", done=1, **(ended | {"ended_at": now - timedelta(seconds=61)}))
    shown = page(root)
    assert 'Retried: 1 of 1,200</b> <span class="soft small">The others did not match any more.</span>' in shown
    assert 'Cancelled: 20 of 1,200</b> <span class="soft small">Stopped by root.</span>' in shown
    assert "Deleted: " not in shown
    assert "Stop retry" not in shown


def test_an_operator_without_permissions_sees_everything_and_no_buttons(alice: User, otto: User, root: User) -> None:
    failed(alice)
    Breaker.objects.create(name="fetch:img.example.com", state="open", failures=5, reason="Silence.")
    BulkAct.objects.create(verb="retry", query="state:failed", by=root, matched=12)
    pauses.pause(root)
    shown = page(otto)
    assert "<button" not in shown
    assert "verb=retry" not in shown
    assert "verb=retry" in page(root)
    assert shown.count("img.example.com") > 1
