"""The log: one number leads from a request to the lines of the worker, each line is JSON, and none has a secret."""

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import structlog
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from photoproc.logs import formatter
from processing import ledger, queue, tasks, tokens
from processing.dispatch import Dispatcher
from processing.models import Job, Upload
from processing.web.requests import Requests
from script.process import Process
from script.supervise import Supervisor
from tests import make
from tests.api.programs import program
from tests.conftest import picture

Lines = Callable[[], list[dict[str, Any]]]
CONTRACT = {
    "event", "job_id", "upload_id", "status", "processing_time_seconds", "memory_usage_mb", "original_size",
    "processed_size", "compression_ratio",
}  # fmt: skip


@pytest.fixture
def lines() -> Iterator[Lines]:
    """What was logged so far, each line read as JSON."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter("json"))
    logging.getLogger().addHandler(handler)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logging.getLogger().removeHandler(handler)


def said(lines: Lines, event: str) -> dict[str, Any]:
    """The one line of this event."""
    (line,) = [line for line in lines() if line["event"] == event]
    return line


def send(client: Client, **headers: str) -> None:
    photo = SimpleUploadedFile("cup.jpg", picture())
    answer = client.post("/api/v1/jobs?model=u2netp", {"files": photo, "remove_bg": "false"}, headers=headers)
    assert answer.status_code == 202, answer.content


# ---- one number leads through the house ------------------------------------------------------------------------------


def test_the_number_of_a_request_reaches_the_dispatcher_and_the_worker(alice: User, lines: Lines) -> None:
    queue.connection().flushdb()
    send(program(alice), **{"X-Request-ID": "shop-77"})
    upload = Upload.objects.get()
    Dispatcher().feed_photos()
    tasks.process_upload(upload.pk)
    ours = [line for line in lines() if line["logger"].startswith("processing")]
    assert [line["event"] for line in ours] == [
        "request_finished", "photos_sent", "attempt_begun", "photo_ended",
    ]  # fmt: skip
    assert {line["request_id"] for line in ours} == {"shop-77"}
    assert {line["upload_id"] for line in ours[2:]} == {upload.pk}
    assert {line["job_id"] for line in ours if line["event"] != "request_finished"} == {upload.job_id}
    assert Job.objects.get().request_id == "shop-77"


def test_what_is_logged_within_an_attempt_carries_its_ids_and_nothing_after_it(
    alice: User, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "_attempt", lambda claim: logging.getLogger("a.library").warning("odd"))
    upload = make.upload(alice)
    tasks.process_upload(upload.pk)
    within = said(lines, "odd")
    assert (within["job_id"], within["upload_id"], within["attempt"]) == (upload.job_id, upload.pk, 1)
    assert structlog.contextvars.get_contextvars() == {}


def test_a_photo_that_ended_has_one_line_with_all_that_is_promised(alice: User, lines: Lines) -> None:
    upload = make.upload(alice)
    tasks.process_upload(upload.pk)
    line = said(lines, "photo_ended")
    assert line.keys() >= CONTRACT
    result = upload.variants.get(name="result")
    assert (line["status"], line["original_size"], line["processed_size"]) == (
        "completed", upload.source_bytes, result.bytes,
    )  # fmt: skip
    assert line["compression_ratio"] == pytest.approx(line["original_size"] / line["processed_size"], abs=0.01)
    assert line["processing_time_seconds"] > 0 < line["memory_usage_mb"]


def test_one_that_ended_in_nobodys_hands_says_as_much(alice: User, lines: Lines, settings: Any) -> None:
    over = timezone.now() - timedelta(seconds=1)  # by the database's clock too
    upload = make.upload(alice, attempts=settings.ATTEMPTS, status="processing", lease_until=over)
    ledger.sweep()
    line = said(lines, "photo_ended")
    assert line.keys() >= CONTRACT
    assert (line["code"], line["original_size"]) == ("worker_lost", upload.source_bytes)


def test_a_photo_that_failed_says_its_code(alice: User, lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(claim: ledger.Claim) -> None:
        raise RuntimeError("what nobody foresaw")

    monkeypatch.setattr(tasks, "_attempt", fail)
    tasks.process_upload(make.upload(alice).pk)
    line = said(lines, "photo_ended")
    assert line.keys() >= CONTRACT
    assert (line["status"], line["code"]) == ("failed", "internal_error")
    assert "RuntimeError: what nobody foresaw" in said(lines, "attempt_failed")["exception"]


# ---- requests --------------------------------------------------------------------------------------------------------


def test_a_request_has_one_line(alice: User, as_user: Callable[[User], Client], lines: Lines) -> None:
    answer = as_user(alice).get(reverse("jobs"), {"q": "my-words"})
    line = said(lines, "request_finished")
    assert (line["method"], line["path"], line["code"], line["user_id"]) == ("GET", "/jobs/", 200, alice.pk)
    assert line["seconds"] > 0
    assert answer["X-Request-ID"] == line["request_id"]


def test_a_program_is_logged_as_the_owner_of_its_token(alice: User, lines: Lines) -> None:
    program(alice).get("/api/v1/jobs")
    assert said(lines, "request_finished")["user_id"] == alice.pk


@pytest.mark.parametrize(("code", "level"), [(404, "info"), (500, "error"), (503, "warning"), (507, "warning")])
def test_only_a_mistake_of_ours_is_an_error(code: int, level: str, lines: Lines) -> None:
    Requests(lambda _: HttpResponse(status=code))(RequestFactory().get("/jobs/"))
    assert said(lines, "request_finished")["level"] == level


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics"])
def test_what_is_asked_all_the_time_is_quiet(path: str, db: None, lines: Lines) -> None:
    Client().get(path)
    assert [line for line in lines() if line["event"] == "request_finished"] == []


@pytest.mark.parametrize("given", ["", "two words", 'with"quote', "x" * 41, "línea"])
def test_an_odd_number_of_a_request_is_replaced(given: str) -> None:
    answer = Client().get("/health", headers={"X-Request-ID": given})
    assert answer["X-Request-ID"].startswith("req-")


def test_two_requests_have_two_numbers() -> None:
    assert Client().get("/health")["X-Request-ID"] != Client().get("/health")["X-Request-ID"]


def test_a_mistake_of_ours_tells_its_number(db: None, lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processing.health.report", lambda: 1 / 0)
    for path in ("/ready", "/api/v1/health"):
        answer = Client(raise_request_exception=False).get(path)
        assert answer.status_code == 500
        assert answer["X-Request-ID"] in answer.content.decode()
        failed = [line for line in lines() if line["event"] == "request_failed"][-1]
        assert failed["request_id"] == answer["X-Request-ID"]
        assert "ZeroDivisionError" in failed["exception"]


# ---- no secrets ------------------------------------------------------------------------------------------------------


def test_no_line_has_a_secret(alice: User, lines: Lines) -> None:
    secret = tokens.make(alice, "Shop", ["read"]).secret
    client = Client(headers={"Authorization": f"Bearer {secret}", "X-Api-Key": secret})
    client.get(f"/api/v1/jobs?token={secret}")
    client.get(f"/{secret}/")
    client.get("/links/code-that-opens/cup.png")
    client.get("/account/invitation/code-that-opens/")
    client.get("/account/password/reset/MQ/code-that-opens/")
    logging.getLogger("httpx").warning("GET https://img.example.com/cup.jpg?signature=%s", "code-that-opens")
    structlog.stdlib.get_logger("a").warning("sent", to="https://hooks.example.com/?key=code-that-opens")
    text = json.dumps(lines())
    assert len(lines()) >= 7
    assert secret not in text
    assert "code-that-opens" not in text


# ---- the shape of a line ---------------------------------------------------------------------------------------------


def failure() -> logging.LogRecord:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        return logging.LogRecord("a.library", logging.ERROR, "", 0, "it %s", ("broke",), sys.exc_info())


def test_a_traceback_is_one_field_of_one_line() -> None:
    text = formatter("json").format(failure())
    line = json.loads(text)
    assert "\n" not in text
    assert (line["event"], line["level"], line["logger"]) == ("it broke", "error", "a.library")
    assert line["exception"].endswith("ValueError: two\nlines")


def test_text_is_for_people() -> None:
    text = formatter("text").format(failure())
    assert "it broke" in text
    assert "ValueError: two\nlines" in text
    assert not text.startswith("{")


def test_the_server_passes_lines_on_as_json_and_says_whose_they_are() -> None:
    out = io.StringIO()
    supervisor = Supervisor([Process("web", ["true"])], out, is_json=True)
    supervisor.say('{"event": "request_finished"}', "web")
    supervisor.say("a plain word", "web")
    supervisor.say("\nphotoproc is ready\n")
    supervisor.say("4711:M 04 Mar 2026 10:16:16.484 # WARNING Memory overcommit must be enabled!", "redis")
    first, second, third, fourth = [json.loads(line) for line in out.getvalue().splitlines()]
    assert first == {"process": "web", "event": "request_finished"}
    assert (second["process"], second["event"]) == ("web", "a plain word")
    assert (third["process"], third["event"], third["level"]) == ("server", "photoproc is ready", "info")
    assert (fourth["process"], fourth["level"]) == ("redis", "warning")
