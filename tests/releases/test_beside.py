"""Workers of the release before go on beside ours: they read what we say, and we read what they say."""

import base64
import json
from typing import Any

import pytest
import structlog
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import CommandError
from django.db import connection
from django.db.migrations import AddField, AddIndex, CreateModel
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone
from rq.registry import FailedJobRegistry

from processing import crew, ledger, queue, schema
from processing.models import Remembered, Status, Upload
from processing.worker import work
from tests import make
from tests.releases import record

EARLIER = [path for path in record.FOLDER.glob("*.json") if schema.parts(path.stem) < schema.parts(settings.VERSION)]
LAST = max(EARLIER, key=lambda path: schema.parts(path.stem))
BEFORE: dict[str, Any] = json.loads(LAST.read_text())

pytestmark = pytest.mark.usefixtures("empty_redis")


# ---- what they say -------------------------------------------------------------------------------------------------


def told(path: str) -> str:
    """Lay a nudge of the release before into its queue; gives which."""
    found = {name: base64.b64decode(value) for name, value in BEFORE["nudges"][path].items()}
    name, number = found["origin"].decode(), path.replace(".", "-")
    queue.connection().hset(f"rq:job:{number}", mapping=found)
    queue.connection().sadd("rq:queues", f"rq:queue:{name}")
    queue.connection().rpush(f"rq:queue:{name}", number)
    return name


@pytest.mark.django_db(transaction=True)
def test_their_nudges_are_understood() -> None:
    names = {told(path) for path in BEFORE["nudges"]}
    with structlog.testing.capture_logs() as lines:
        for name in names:
            work(name, burst=True)
    assert [queue.waiting(name) for name in names] == [0, 0]
    for name in names:
        assert FailedJobRegistry(name, connection=queue.connection()).get_job_ids(cleanup=False) == []
    assert not [line for line in lines if line["log_level"] == "error"]


@pytest.mark.django_db(transaction=True)
def test_a_nudge_of_theirs_has_its_photo_made(alice: User) -> None:
    upload = make._upload(make.job(alice, photos=0), 0)
    upload.pk = record.UPLOAD
    ledger.create([upload])
    work(told(queue.PROCESS_UPLOAD), burst=True)
    assert Upload.objects.get(pk=record.UPLOAD).status == Status.COMPLETED


def test_a_sign_of_theirs_is_seen() -> None:
    said = dict.fromkeys(BEFORE["signs"]["Sign"], 1) | {
        "name": "w1", "queue": queue.PHOTOS, "host": "old", "since": timezone.now().isoformat(),
    }  # fmt: skip
    key = f"photoproc:sign:{queue.PHOTOS}:old:1"
    queue.connection().sadd(f"photoproc:signs:{queue.PHOTOS}", key)
    queue.connection().set(key, json.dumps(said))
    assert [sign.host for sign in crew.at_work(queue.PHOTOS)] == ["old"]


# ---- what we say ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", BEFORE["nudges"])
def test_a_nudge_of_ours_has_their_shape(path: str) -> None:
    theirs, ours = BEFORE["nudges"][path], record.nudge(path)
    assert theirs.keys() <= ours.keys()
    for name in ("data", "origin", "timeout", "result_ttl", "failure_ttl", "status"):
        assert ours[name] == theirs[name], name


def test_the_dispatcher_is_woken_as_before() -> None:
    assert record.wake() == BEFORE["wake"]


def test_changes_are_announced_as_before() -> None:
    assert record.announced() == BEFORE["announced"]


def test_signs_say_what_they_said_before() -> None:
    for name, fields in record.release()["signs"].items():
        assert set(BEFORE["signs"][name]) <= set(fields)


# ---- one database --------------------------------------------------------------------------------------------------


def test_their_inserts_fit_our_tables(db: None) -> None:
    """They name no column that came later: it has a default in the database, or may be null; none has gone."""
    loader = MigrationLoader(None)
    for name in set(record.migrations()) - set(BEFORE["migrations"]):
        for operation in loader.disk_migrations["processing", name].operations:
            assert isinstance(operation, CreateModel | AddField | AddIndex), f"{name}: {operation.describe()}"
            if isinstance(operation, AddField) and operation.model_name not in created(loader, name):
                assert operation.field.null or operation.field.has_db_default(), f"{name}: {operation.describe()}"


def created(loader: MigrationLoader, name: str) -> set[str]:
    operations = loader.disk_migrations["processing", name].operations
    return {operation.name_lower for operation in operations if isinstance(operation, CreateModel)}


def test_a_database_of_a_newer_release_that_works_beside_ours_is_taken(db: None) -> None:
    MigrationRecorder(connection).record_applied("processing", "9999_beyond")
    Remembered.objects.create(name=schema.OLDEST_NAME, value=settings.VERSION)
    schema.check_age()


@pytest.mark.parametrize("oldest", ["99.0.0", "", "nonsense"])
def test_another_one_is_refused(db: None, oldest: str) -> None:
    MigrationRecorder(connection).record_applied("processing", "9999_beyond")
    if oldest:
        Remembered.objects.create(name=schema.OLDEST_NAME, value=oldest)
    with pytest.raises(CommandError, match="newer photoproc"):
        schema.check_age()


def test_a_migrated_database_tells_who_may_work_with_it(db: None) -> None:
    schema.migrate()
    assert Remembered.objects.get(name=schema.OLDEST_NAME).value == schema.OLDEST
