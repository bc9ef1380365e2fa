"""Operators steer the queue of everybody's photos; others do not."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from processing import breaker, bulk, crew, ledger, queue, tokens
from processing.errors import PhotoError
from processing.models import BulkAct, Crew, Pause, Status, Upload
from tests import make
from tests.api.programs import program


@pytest.fixture
def as_operator(olga: User) -> Client:
    return program(olga, "read", "write", "queue")


def post(client: Client, path: str, **body: Any) -> Any:
    return client.post(f"/api/v1/queue/{path}", body, content_type="application/json")


def failed(owner: User, code: str = "timeout", **values: Any) -> Upload:
    """A photo that failed so, just now."""
    return make.upload(owner, status=Status.FAILED, error_code=code, **{"finished_at": timezone.now(), **values})


# ---- how it stands --------------------------------------------------------------------------------------------------


def test_it_tells_everybodys_photos_by_state(alice: User, bob: User, as_operator: Client) -> None:
    make.job(alice, 3)
    make.finish(make.upload(bob))
    failed(bob)
    make.job(bob, 2, deleted_at=timezone.now())
    told = as_operator.get("/api/v1/queue").json()
    assert told["counts"] == {"new": 0, "queued": 3, "processing": 0, "completed": 1, "failed": 1, "cancelled": 0}
    assert told["people"] == [{"name": "alice", "queued": 3, "processing": 0}]
    assert (told["paused"], told["waiting"], told["workers"]) == (None, 0, 0)


def test_it_tells_how_long_the_first_in_line_has_waited(alice: User, as_operator: Client) -> None:
    make.upload(alice, queued_at=timezone.now() - timedelta(seconds=90))
    make.upload(alice)
    assert 90 <= as_operator.get("/api/v1/queue").json()["oldest_wait"] < 120


def test_nobody_waits_in_an_empty_queue(as_operator: Client) -> None:
    told = as_operator.get("/api/v1/queue").json()
    assert (told["oldest_wait"], told["people"]) == (None, [])


def test_it_answers_while_redis_is_away(as_operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> int:
        raise redis.ConnectionError("away")

    monkeypatch.setattr(queue, "waiting", refuse)
    told = as_operator.get("/api/v1/queue").json()
    assert (told["waiting"], told["workers"]) == (None, None)


def test_many_photos_cost_no_further_questions(alice: User, as_operator: Client) -> None:
    def questions() -> int:
        with CaptureQueriesContext(connection) as asked:
            as_operator.get("/api/v1/queue")
        return len(asked)

    make.job(alice, 1)
    as_operator.get("/api/v1/queue")  # notes the token's use
    few = questions()
    make.job(alice, 30)
    assert questions() == few


# ---- pause ----------------------------------------------------------------------------------------------------------


def test_a_pause_names_who_paused_and_stays_theirs(olga: User, as_operator: Client) -> None:
    first = post(as_operator, "pause").json()["paused"]
    assert first["by"] == "olga"
    other = User.objects.create_user("oscar", is_superuser=True, is_staff=True)
    assert post(program(other, "queue"), "pause").json()["paused"] == first


def test_resuming_ends_the_pause_and_may_be_said_twice(as_operator: Client) -> None:
    post(as_operator, "pause")
    for _ in range(2):
        assert post(as_operator, "resume").json()["paused"] is None
    assert not Pause.objects.exists()


def test_one_person_is_paused_and_one_job_drains(alice: User, bob: User, olga: User, as_operator: Client) -> None:
    job = make.job(alice, 2)
    post(as_operator, "pause", person="bob")
    told = post(as_operator, "pause", job_id=job.pk, drain=True).json()
    assert told["paused"] is None
    pauses = [{name: one[name] for name in one if name != "since"} for one in told["pauses"]]
    assert pauses == [
        {"person": "bob", "job_id": None, "by": "olga", "drains": False, "left": None},
        {"person": None, "job_id": job.pk, "by": "olga", "drains": True, "left": 2},
    ]
    post(as_operator, "resume", person="bob")
    assert post(as_operator, "resume", job_id=job.pk).json()["pauses"] == []


@pytest.mark.parametrize(("asked", "status"), [
    ({"person": "nobody"}, 404), ({"job_id": 2**63 - 1}, 404), ({"job_id": 1, "person": "olga"}, 422),
    ({"person": ""}, 422), ({"person": "a\x00b"}, 422), ({"job_id": 0}, 422), ({"drain": "perhaps"}, 422),
    ({"everybody": True}, 422),
])  # fmt: skip
def test_a_pause_of_nobody_holds_nothing(asked: dict[str, Any], status: int, as_operator: Client) -> None:
    assert post(as_operator, "pause", **asked).status_code == status
    assert not Pause.objects.exists()


# ---- workers and breakers -------------------------------------------------------------------------------------------


def test_it_tells_who_is_at_work(as_operator: Client) -> None:
    queue.connection().flushdb()
    sign = crew.Sign("w1", queue.PHOTOS, "shop", 4711, timezone.now(), photos=3, memory=400_000_000, upload_id=8)
    crew.say(sign)
    (told,) = as_operator.get("/api/v1/queue").json()["at_work"]
    assert (told["name"], told["photos"], told["memory"], told["upload_id"]) == ("w1", 3, 400_000_000, 8)
    queue.connection().flushdb()


def test_the_number_of_workers_is_set(as_operator: Client) -> None:
    assert post(as_operator, "workers", size=3).json()["workers_wanted"] == 3
    for size in (0, 9, 10**30, "many", None):
        assert post(as_operator, "workers", size=size).status_code == 422
    assert crew.wanted(queue.PHOTOS) == 3


def test_a_breaker_is_tripped_and_reset(alice: User, as_operator: Client) -> None:
    name = breaker.fetch("img.example.com")
    told = {one["name"]: one for one in post(as_operator, "breakers", name=name, act="trip").json()["breakers"]}
    assert (told[name]["state"], told[name]["tripped_by"], told[name]["parked"]) == ("open", "olga", 0)
    told = {one["name"]: one for one in post(as_operator, "breakers", name=name, act="reset").json()["breakers"]}
    assert name not in told, "it is well"
    assert post(as_operator, "breakers", name="kitchen", act="trip").status_code == 422
    assert post(as_operator, "breakers", name=name, act="smash").status_code == 422


# ---- retry ----------------------------------------------------------------------------------------------------------


def test_a_dry_run_counts_and_changes_nothing(alice: User, bob: User, as_operator: Client) -> None:
    failed(alice)
    failed(bob)
    assert post(as_operator, "retry", dry_run=True).json() == {"matched": 2, "retried": 0, "act": None}
    assert Upload.objects.filter(status=Status.FAILED).count() == 2


def test_all_that_failed_are_queued_again(alice: User, bob: User, as_operator: Client) -> None:
    failed(alice)
    failed(bob)
    ledger.cancel(Upload.objects.filter(pk=make.upload(bob).pk))
    assert post(as_operator, "retry").json() == {"matched": 2, "retried": 2, "act": None}
    assert Upload.objects.filter(status=Status.CANCELLED).count() == 1


@pytest.mark.parametrize("by", ["code", "job_id", "owner", "since", "status"])
def test_the_filter_names_which(by: str, alice: User, bob: User, as_operator: Client) -> None:
    wanted = failed(alice)
    other = failed(bob, "no_face_found", finished_at=timezone.now() - timedelta(days=2))
    if by == "status":
        Upload.objects.filter(pk=wanted.pk).update(status=Status.CANCELLED)
    asked = {
        "code": "timeout", "job_id": wanted.job_id, "owner": "alice", "status": "cancelled",
        "since": (timezone.now() - timedelta(days=1)).isoformat(),
    }  # fmt: skip
    assert post(as_operator, "retry", **{by: asked[by]}).json() == {"matched": 1, "retried": 1, "act": None}
    wanted.refresh_from_db()
    other.refresh_from_db()
    assert (wanted.status, other.status) == (Status.QUEUED, Status.FAILED)


@pytest.mark.parametrize("asked", [
    {"status": "completed"}, {"code": "no_such_code"}, {"owner": "a\x00b"}, {"owner": "\ud800"}, {"since": "yesterday"},
    {"since": "2025-01-01T00:00:00"}, {"job_id": "three"}, {"job_id": 10**30}, {"unknown": 1},
])  # fmt: skip
def test_what_does_not_fit_is_told_with_its_place(asked: dict[str, Any], as_operator: Client) -> None:
    answer = post(as_operator, "retry", **asked)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert answer.json()["errors"][0]["pointer"].endswith(next(iter(asked)))


@pytest.mark.parametrize("asked", [
    {"job_id": 2**63 - 1}, {"since": "9999-12-31T23:59:59-14:00"}, {"owner": "nobody"},
])  # fmt: skip
def test_what_nobody_has_matches_nothing(asked: dict[str, Any], alice: User, as_operator: Client) -> None:
    failed(alice)
    assert post(as_operator, "retry", **asked).json() == {"matched": 0, "retried": 0, "act": None}


def test_a_moment_before_all_others_matches_all(alice: User, as_operator: Client) -> None:
    failed(alice)
    assert post(as_operator, "retry", since="0001-01-01T00:00:00+14:00").json()["matched"] == 1


def test_the_filter_of_the_page_names_which_too(alice: User, bob: User, as_operator: Client) -> None:
    wanted, other = failed(alice), failed(bob, "no_face_found")
    assert post(as_operator, "retry", q="error:timeout newer:1h").json()["retried"] == 1
    assert post(as_operator, "retry", q="state:failed photo-7").json()["matched"] == 0
    wanted.refresh_from_db()
    other.refresh_from_db()
    assert (wanted.status, other.status) == (Status.QUEUED, Status.FAILED)


@pytest.mark.parametrize(("asked", "code", "place"), [
    ({"q": "colour:red"}, "invalid_filter", ""), ({"q": "x" * 501}, "invalid_request", "#/q"),
    ({"q": "error:timeout", "owner": "alice"}, "invalid_request", "#/owner"),
])  # fmt: skip
def test_a_filter_that_says_nothing_or_two_things_is_refused(
    asked: dict[str, Any], code: str, place: str, alice: User, as_operator: Client
) -> None:
    upload = failed(alice)
    answer = post(as_operator, "retry", **asked)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert [one["pointer"] for one in answer.json().get("errors", [])] == ([place] if place else [])
    upload.refresh_from_db()
    assert upload.status == Status.FAILED


# ---- in the background ----------------------------------------------------------------------------------------------


@pytest.fixture
def act(alice: User, as_operator: Client, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What a retry of many is answered, with nothing done yet."""
    monkeypatch.setattr(bulk, "FEW", 1)
    monkeypatch.setattr(bulk, "HANDFUL", 2)
    for _ in range(3):
        failed(alice)
    told = post(as_operator, "retry", code="timeout").json()
    assert (told["matched"], told["retried"], told["act"]["done"]) == (3, 0, 0)
    return told["act"]


def test_many_are_retried_in_the_background_and_followed(act: Any, as_operator: Client) -> None:
    assert act == {
        "id": BulkAct.objects.get().pk, "verb": "retry", "query": "state:failed error:timeout", "matched": 3, "done": 0,
        "ended_at": None,
    }  # fmt: skip
    bulk.run(act["id"])
    told = as_operator.get(f"/api/v1/queue/acts/{act['id']}").json()
    assert (told["done"], told["matched"], told["ended_at"] is None) == (3, 3, False)


def test_an_act_is_stopped_once(act: Any, olga: User, as_operator: Client) -> None:
    told = post(as_operator, f"acts/{act['id']}/stop")
    assert (told.status_code, told.json()["done"], told.json()["ended_at"] is None) == (200, 0, False)
    answer = post(as_operator, f"acts/{act['id']}/stop")
    assert (answer.status_code, answer.json()["code"]) == (409, "nothing_to_do")
    bulk.run(act["id"])
    assert (BulkAct.objects.get().stopped_by, Upload.objects.filter(status=Status.FAILED).count()) == (olga, 3)


@pytest.mark.parametrize("number", [10**6, 10**30])
def test_an_act_that_nobody_began_is_404(number: int, as_operator: Client) -> None:
    for answer in (as_operator.get(f"/api/v1/queue/acts/{number}"), post(as_operator, f"acts/{number}/stop")):
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_who_may_not_retry_starts_and_stops_nothing(act: Any, otto: User) -> None:
    looks_on = program(otto, "queue")
    for path in ("retry", f"acts/{act['id']}/stop"):
        answer = post(looks_on, path)
        assert (answer.status_code, answer.json()["code"]) == (403, "not_permitted")
    assert looks_on.get(f"/api/v1/queue/acts/{act['id']}").status_code == 200
    assert (BulkAct.objects.get().ended_at, Upload.objects.filter(status=Status.FAILED).count()) == (None, 3)


# ---- who may --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "asked"), [
    ("pause", {}), ("resume", {}), ("workers", {"size": 5}), ("breakers", {"name": "storage", "act": "trip"}),
    ("breakers", {"name": "storage", "act": "reset"}), ("breakers", {"name": "storage", "act": "look"}),
])  # fmt: skip
def test_an_operators_token_does_no_more_than_the_operator_may(path: str, asked: dict[str, Any], otto: User) -> None:
    looks_on = program(otto, "queue")
    answer = post(looks_on, path, **asked)
    assert (answer.status_code, answer.json()["code"]) == (403, "not_permitted")
    assert [Pause.objects.exists(), Crew.objects.exists(), breaker.open_ones()] == [False, False, {}]
    assert looks_on.get("/api/v1/queue").status_code == 200


def test_only_the_scope_queue_opens_it(olga: User, alice: User, as_user: Callable[[User], Client]) -> None:
    for path in ("pause", "resume", "retry", "workers", "breakers"):
        answer = post(program(olga), path)
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
        assert post(as_user(alice), path).status_code == 403
    assert not Pause.objects.exists()


def test_who_is_no_operator_makes_no_token_for_it(alice: User) -> None:
    with pytest.raises(PhotoError, match="not_permitted"):
        tokens.make(alice, "Shop", ["queue"])


def test_a_token_of_somebody_who_is_no_operator_any_more_is_refused(olga: User, as_operator: Client) -> None:
    User.objects.filter(pk=olga.pk).update(is_staff=False)
    assert post(as_operator, "pause").status_code == 403
    assert not Pause.objects.exists()
