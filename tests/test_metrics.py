"""What is counted, and what `/metrics` tells of it: read by the parser of Prometheus itself."""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import yaml
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families as families

from processing import breaker, ledger, metrics, queue, tasks, tokens
from processing.hooks import deliver
from processing.hooks.post import Answer
from processing.models import Breaker, EventType, Upload
from tests import make
from tests.api.programs import program
from tests.environment import ROOT

Committed = Callable[..., Any]
Samples = dict[tuple[str, str], float]

PROMISED = {
    "photoproc_uploads_total", "photoproc_attempts_total", "photoproc_step_seconds", "photoproc_queue_wait_seconds",
    "photoproc_queue_oldest_seconds", "photoproc_sockets", "photoproc_breaker_open",
    "photoproc_webhook_deliveries_total", "photoproc_worker_memory_bytes",
    "rq_workers", "rq_jobs", "rq_job_successful_total", "rq_job_failed_total", "rq_working_seconds_total",
}  # fmt: skip


@pytest.fixture(autouse=True)
def nothing_counted(redis_process: None) -> None:
    queue.connection().flushdb()


@pytest.fixture
def committed(django_capture_on_commit_callbacks: Committed) -> Committed:
    return lambda: django_capture_on_commit_callbacks(execute=True)


def told(user: User) -> Samples:
    """By name and by the values of the labels."""
    text = program(user, "queue").get("/metrics").content.decode()
    return {
        (sample.name, " ".join(sample.labels.values())): sample.value
        for family in families(text)
        for sample in family.samples
    }


def offered(user: User) -> set[str]:
    """Every name that a query may use."""
    text = program(user, "queue").get("/metrics").content.decode()
    kinds = re.findall(r"^# TYPE (\S+) (\w+)$", text, re.MULTILINE)
    parts = {f"{name}_{part}" for name, kind in kinds if kind == "histogram" for part in ("bucket", "sum", "count")}
    return {name for name, _ in kinds} | parts


# ---- counting --------------------------------------------------------------------------------------------------------


def test_what_is_counted_adds_up(committed: Committed, db: None) -> None:
    for value in (0.3, 0.5, 99.0):
        with committed():
            metrics.count("uploads", 2, outcome="failed", code="timeout")
            metrics.keep(metrics.observed("step_seconds", value, step="read", model="u2netp"))
    found = metrics.read()
    assert found["uploads"] == {("failed", "timeout"): {"": 6}}
    assert found["step_seconds"] == {("read", "u2netp"): {"0.5": 2, "+Inf": 1, "sum": 99.8}}


def test_what_is_rolled_back_is_not_counted(committed: Committed, db: None) -> None:
    with committed(), suppress(RuntimeError), transaction.atomic():
        metrics.count("attempts", outcome="lost")
        raise RuntimeError
    assert metrics.read()["attempts"] == {}


def test_without_redis_the_work_goes_on_uncounted(committed: Committed, db: None, settings: Any, tmp_path: Any) -> None:
    settings.REDIS_URL = f"unix://{tmp_path}/away"
    with committed():
        metrics.count("attempts", outcome="lost")


def test_what_another_version_counted_is_left_out(db: None) -> None:
    for field in ('["dreams", "", "x"]', '["attempts", "", "lost", "more"]'):
        queue.connection().hset(metrics.KEY, field, "3")
    assert metrics.read()["attempts"] == {}


def test_a_label_that_is_missing_is_a_mistake(db: None) -> None:
    with pytest.raises(KeyError):
        metrics.counted("uploads", outcome="failed")


# ---- what the ledger and the webhooks count --------------------------------------------------------------------------


def cancel_meanwhile(claim: ledger.Claim) -> None:
    ledger.cancel(Upload.objects.filter(pk=claim.upload_id))
    ledger.step(claim, "Reading", 0, 1)


def test_each_way_that_an_attempt_ends_is_counted(
    alice: User, olga: User, committed: Committed, monkeypatch: pytest.MonkeyPatch
) -> None:
    with committed():
        finished, broken, cancelled = list(make.job(alice, 3).uploads.order_by("pk"))
        Upload.objects.filter(pk=broken.pk).update(source="not/there")
        for upload in (finished, broken):
            tasks.process_upload(upload.pk)
        claim = ledger.claim(cancelled.pk)
        assert claim
        ledger.give_back(claim)
        monkeypatch.setattr(tasks, "_attempt", cancel_meanwhile)
        tasks.process_upload(cancelled.pk)
    found = told(olga)
    code = Upload.objects.get(pk=broken.pk).error_code
    assert found["photoproc_uploads_total", " completed"] == 1
    assert found["photoproc_uploads_total", f"{code} failed"] == 1
    assert found["photoproc_uploads_total", "cancelled cancelled"] == 1
    outcomes = {labels: value for (name, labels), value in found.items() if name == "photoproc_attempts_total"}
    assert outcomes == {"finished": 1, "failed": 1, "given_back": 1, "moved": 1}
    assert found["photoproc_queue_wait_seconds_count", ""] == 2
    assert found["photoproc_step_seconds_count", " read"] == 1


def test_a_worker_that_is_gone_is_counted(alice: User, olga: User, committed: Committed, settings: Any) -> None:
    settings.LEASE = -1
    with committed():
        upload = make.upload(alice, attempts=settings.ATTEMPTS - 1)
        assert ledger.claim(upload.pk)
        ledger.sweep()
    found = told(olga)
    assert found["photoproc_attempts_total", "lost"] == found["photoproc_uploads_total", "worker_lost failed"] == 1


@pytest.mark.parametrize(("status", "result"), [(204, "delivered"), (500, "again"), (410, "given_up")])
def test_tries_of_webhooks_are_counted(status: int, result: str, alice: User, olga: User, committed: Committed) -> None:
    make.endpoint(alice, "https://hooks.example.com/in", EventType.UPLOAD_COMPLETED)
    with committed():
        make.finish(make.upload(alice))
        claim = deliver.claim(deliver.due().get().pk)
        assert claim
        deliver.keep(claim, deliver.Told({}, Answer(0.1, status=status)))
    assert told(olga)["photoproc_webhook_deliveries_total", result] == 1


# ---- the page --------------------------------------------------------------------------------------------------------


def test_it_tells_how_things_stand(alice: User, olga: User) -> None:
    make.job(alice, 3)
    make.upload(alice, status="failed")
    Breaker.objects.create(name=breaker.STORAGE, state=Breaker.State.OPEN)
    found = told(olga)
    assert found["photoproc_uploads_by_state", "queued"] == 3
    assert found["photoproc_uploads_by_state", "failed"] == 1
    assert found["photoproc_queue_oldest_seconds", ""] > 0
    assert found["photoproc_breaker_open", "storage"] == 1
    assert found["photoproc_storage_free_bytes", ""] > 0
    assert found["photoproc_redis_up", ""] == 1
    assert found["rq_jobs", "photos queued"] == 0


def test_all_that_is_promised_is_offered(olga: User) -> None:
    assert offered(olga) >= PROMISED


def test_it_speaks_open_metrics_too(alice: User, olga: User, committed: Committed) -> None:
    with committed():
        tasks.process_upload(make.upload(alice).pk)
    answer = program(olga, "queue").get("/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"})
    names = {family.name for family in open_families(answer.content.decode())}
    assert {"photoproc_uploads", "photoproc_step_seconds", "rq_jobs"} <= names


def test_looking_does_not_tidy_up_in_rq(olga: User) -> None:
    queue.connection().zadd("rq:wip:photos", {"long-gone": 1})
    assert told(olga)["rq_jobs", "photos started"] == 1
    assert queue.connection().zcard("rq:wip:photos") == 1


def test_without_redis_the_database_still_tells(alice: User, olga: User, settings: Any, tmp_path: Any) -> None:
    make.upload(alice)
    settings.REDIS_URL = f"unix://{tmp_path}/away"
    found = told(olga)
    assert found["photoproc_redis_up", ""] == 0
    assert found["photoproc_uploads_by_state", "queued"] == 1


def test_it_is_for_operators(alice: User, olga: User, as_user: Callable[[User], Client]) -> None:
    former = program(olga, "queue")
    clients = {
        "nobody": Client(), "a made-up token": Client(headers={"X-Api-Key": f"{tokens.BEGINNING}{'a' * 43}"}),
        "a person": as_user(alice), "a token without the scope": program(olga, "read"),
        "an operator": as_user(olga), "an operator's token": program(olga, "queue"),
    }  # fmt: skip
    assert {who: client.get("/metrics").status_code for who, client in clients.items()} == {
        "nobody": 401, "a made-up token": 401, "a person": 403, "a token without the scope": 403,
        "an operator": 200, "an operator's token": 200,
    }  # fmt: skip
    refused = clients["nobody"].get("/metrics")
    assert refused["WWW-Authenticate"] == "Bearer"
    assert refused["Content-Type"] == "text/plain"
    User.objects.filter(pk=olga.pk).update(is_staff=False)
    assert former.get("/metrics").status_code == 403
    assert clients["an operator"].post("/metrics").status_code == 405


def test_who_guesses_tokens_is_told_to_wait(settings: Any, db: None) -> None:
    settings.STRANGER_RATE = [(1, "hour")]
    assert [Client().get("/metrics").status_code for _ in range(2)] == [401, 429]


# ---- what comes with it ----------------------------------------------------------------------------------------------


def names_in(expressions: list[str]) -> set[str]:
    return {name for one in expressions for name in re.findall(r"\b(?:photoproc|rq)_\w+", one)}


def test_the_dashboard_asks_only_for_what_there_is(olga: User) -> None:
    board = json.loads((ROOT / "docs/grafana.json").read_text())
    asked = names_in([target["expr"] for panel in board["panels"] for target in panel["targets"]])
    assert asked
    assert asked <= offered(olga)


def test_the_alerts_ask_only_for_what_there_is_and_say_what_to_do(olga: User) -> None:
    rules = yaml.safe_load((ROOT / "docs/alerts.yml").read_text())["groups"][0]["rules"]
    assert names_in([rule["expr"] for rule in rules]) <= offered(olga)
    assert all(set(rule["annotations"]) == {"summary", "description"} for rule in rules)


def test_the_page_about_it_names_what_there_is(olga: User) -> None:
    table = re.findall(r"^\| (`.+?`) \|", (ROOT / "docs/monitoring.md").read_text(), re.MULTILINE)
    named = {name for cell in table for name in re.findall(r"`(\w+)", cell)}
    assert named <= offered(olga)
    assert named >= PROMISED
