"""What is wrong is told in a sentence, with what mends it."""

import fcntl
import json
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone
from pytest_django import DjangoDbBlocker
from pytest_django.fixtures import Settings

from processing import breaker, catalogue, crew, doctor, inventory, pauses, queue, reach, schema, storage
from processing.doctor import Finding
from processing.models import Preset, Remembered, Status, Upload, lease
from processing.storage import disk
from tests import environment, make
from tests.bucket import Bucket
from tests.test_retention import make_older


def found(what: str, state: str = "", **options: Any) -> list[Finding]:
    return [one for one in doctor.examine(**options) if one.what == what and state in ("", one.state)]


def said(what: str, state: str) -> str:
    return " ".join(f"{one.text} {one.remedy}" for one in found(what, state))


def test_a_house_that_stands_has_nothing_wrong_but_that_nobody_is_at_work(db: None) -> None:
    assert {one.what for one in doctor.examine(deep=True) if one.state == doctor.WRONG} == {"workers"}
    if connection.vendor == "sqlite":
        assert [one.text for one in found("journal", deep=True)] == ["The database is whole."]


def test_it_is_well_where_workers_and_a_dispatcher_are(db: None, settings: Settings) -> None:
    settings.WORKERS = settings.IO_WORKERS = 1
    lease.hold(lease.DISPATCHING, "here", 10)
    for name in (queue.PHOTOS, queue.IO):
        crew.say(crew.Sign(f"{name}1", name, "here", 7, timezone.now(), 0, 0, None))
    assert not found("workers", doctor.WRONG)
    assert "1 of 1 worker of photos at work." in said("workers", "ok")


def test_a_redis_that_is_away_is_told_and_what_needs_it_is_left(db: None, settings: Settings, tmp_path: Path) -> None:
    settings.REDIS_URL = f"unix://{tmp_path}/none.sock"
    told = said("redis", "wrong")
    assert told == f"Redis cannot be used at {tmp_path}/none.sock: it does not run. Mend the path in REDIS_URL."
    assert said("clock", "warning") == "Not looked at: redis first. "
    assert found("database", doctor.OK)


def test_no_password_of_an_address_is_told(settings: Settings, db: None) -> None:
    settings.REDIS_URL = "redis://:geheim@127.0.0.1:1/0"
    told = said("redis", "wrong")
    assert "127.0.0.1:1" in told
    assert "geheim" not in told


def test_a_database_of_another_age_is_told(db: None) -> None:
    MigrationRecorder(connection).record_applied("processing", "9999_later")
    assert "A newer version was here: it has 9999_later." in said("schema", "wrong")
    with pytest.raises(CommandError, match="of a newer photoproc"):
        schema.check_age()
    MigrationRecorder(connection).record_unapplied("processing", "9999_later")
    MigrationRecorder(connection).record_unapplied("processing", "0005_operators")
    assert "lacks 1 migration, processing.0005_operators" in said("schema", "wrong")


def test_a_newer_release_beside_which_this_one_may_go_on_is_a_warning(db: None, settings: Settings) -> None:
    MigrationRecorder(connection).record_applied("processing", "9999_later")
    Remembered.objects.create(name=schema.OLDEST_NAME, value=settings.VERSION)
    assert "A newer version was here: it has 9999_later." in said("schema", "warning")
    assert found("storage", doctor.OK)


def test_a_bucket_is_looked_at_without_a_database_too(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise reach.Away("The database is away.", "Start it.")

    monkeypatch.setattr(reach, "database", away)
    assert said("storage", "ok").startswith(f"Files in s3://{bucket.name}/house/ at ")
    assert said("place", "warning") == "Not looked at: database first. "
    bucket.vanish()
    assert "there is no bucket of this name. Mend that, or STORAGE_URL." in said("storage", "wrong")


def test_files_that_lie_elsewhere_are_told_until_an_operator_says_that_they_were_moved(
    db: None, bucket: Bucket, settings: Settings
) -> None:
    reach.storage()
    settings.STORAGE = None
    assert f"The files of this house lie in s3://{bucket.name}/house/, not in " in said("storage", "wrong")
    told("--storage-moved")
    assert (found("storage", doctor.WRONG), found("place", doctor.WRONG)) == ([], [])


def test_a_full_disk_and_a_storage_that_cannot_be_written_are_told(
    db: None, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.FREE_SPACE_FLOOR = 10**18
    assert "Make room: manage.py sweep" in said("disk", "wrong")
    monkeypatch.setattr(storage, "write", _refuse)
    assert said("storage", "wrong").startswith(f"Files cannot be kept in {settings.FILES_DIR}: ")


def _refuse(*_: object) -> None:
    raise PermissionError(13, "Permission denied")


def test_damaged_weights_and_missing_models_are_told(
    alice: User, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    (tmp_path / catalogue.MODELS["u2netp"].file).write_bytes(b"half")
    Preset.objects.create(owner=alice, name="Fine", recipe={"model": "birefnet-general"})
    assert said("weights", "wrong") == "The file of u2netp is damaged. Fetch it: manage.py fetch_weights u2netp."
    (tmp_path / catalogue.MODELS["u2netp"].file).unlink()
    assert said("weights", "wrong").startswith("No model is installed that removes backgrounds.")
    assert not found("weights", doctor.OK)
    assert "Somebody chose birefnet-general" in said("models", "warning")


def test_what_waits_too_long_is_held_or_left_alone_is_told(alice: User, olga: User) -> None:
    upload = make.upload(alice, queued_at=timezone.now() - timedelta(hours=2))
    held = make.upload(alice, status=Status.PROCESSING, lease_until=timezone.now() - timedelta(hours=1))
    pauses.pause(olga)
    pauses.pause(olga, owner=alice, drains=True)
    breaker.trip("fetch:img.example.com", olga)
    told = said("queue", "warning")
    assert "A photo waits since " in told
    assert "The queue: paused since " in told
    assert "The photos of alice: draining since " in told
    assert "img.example.com" in told
    assert not found("queue", doctor.OK)
    assert "1 photo held by workers that are gone." in said("queue", "wrong")
    assert held.pk != upload.pk


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize(("here", "is_told"), [(None, False), ("in-use", False), ("of-before", True)])
def test_a_key_that_lies_here_and_is_not_that_of_the_database_is_told(
    here: str | None, is_told: bool, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "vendor", "postgresql")
    settings.DATA_DIR, settings.SECRET_KEY = tmp_path, "in-use"
    if here:
        (tmp_path / "secret_key").write_text(f"{here}\n")
    told = [one.text for one in doctor._settings(False)]
    assert ("A secret key lies here that is not the one in use." in told) is is_told


def test_settings_that_matter_are_told(db: None, settings: Settings) -> None:
    assert "is not https" in said("settings", "warning")
    assert not found("settings", doctor.WRONG)
    settings.DEBUG = True
    assert "DEBUG" in said("settings", "warning")


# ---- the command ----------------------------------------------------------------------------------------------------


def told(*arguments: str) -> tuple[int, str]:
    out, code = StringIO(), 0
    try:
        call_command("doctor", *arguments, stdout=out, stderr=StringIO())
    except SystemExit as ended:
        code = int(str(ended.code))
    return code, out.getvalue()


def test_it_ends_with_1_where_something_is_wrong_and_0_with_warnings(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "examine", lambda deep: [Finding("disk", doctor.WARNING, "Nearly full.", "Make room.")])
    assert told() == (0, "warning  disk      Nearly full. Make room.\n")
    monkeypatch.setattr(doctor, "examine", lambda deep: [Finding("disk", doctor.WRONG, "Full.")])
    code, text = told("--json")
    assert (code, json.loads(text)) == (1, [{"what": "disk", "state": "wrong", "text": "Full.", "remedy": ""}])


def test_wrong_addresses_never_end_in_a_trace(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, django_db_blocker: DjangoDbBlocker
) -> None:
    settings.REDIS_URL = "redis://:geheim@127.0.0.1:1/0"
    away = connections.create_connection("default")
    is_file = connection.vendor == "sqlite"
    name, why = (f"{tmp_path}/none/db", "its folder ") if is_file else ("none", "it has no database of this name")
    away.settings_dict = {**away.settings_dict, "NAME": name}
    with monkeypatch.context() as patch, django_db_blocker.unblock():
        patch.setitem(settings.DATABASES["default"], "NAME", name)
        before, connections["default"] = connections["default"], away
        try:
            code, text = told()
        finally:
            connections["default"] = before
    assert code == 1
    assert "wrong    redis     Redis cannot be used at 127.0.0.1:1/0: nothing listens there. " in text
    assert "wrong    database  The database cannot be used at " in text
    assert f"{name}: {why}" in text
    assert "warning  queue     Not looked at: database first." in text


# ---- files and rows -------------------------------------------------------------------------------------------------


def test_files_and_rows_are_compared_both_ways(alice: User) -> None:
    job = make.job(alice, 2)
    missing, whole = job.uploads.order_by("pk")
    storage.delete([missing.source])
    left, young = (storage.write(storage.new_key(alice.pk, job.pk, "results", "png"), [b"12345"]) for _ in range(2))
    strange = storage.write(f"{alice.pk}/4711/originals/a.png", [b"1"])
    ground = storage.write(f"{alice.pk}/backgrounds/b.png", [b"1"])
    for key in (left.key, strange.key, ground.key, whole.source):
        make_older(key, hours=2)
    code, text = told("--files")
    assert code == 1
    assert f"missing  photo {missing.pk}, original: {missing.source}" in text
    assert {key for key in (left.key, young.key, strange.key, ground.key) if f"unnamed  {key} " in text} == {
        left.key, strange.key, ground.key
    }  # fmt: skip
    assert "1 file missing that a row names.\n3 files that no row names, 7 B. --delete-unnamed deletes them." in text


def test_files_without_rows_are_deleted_only_when_asked_to(alice: User) -> None:
    job = make.job(alice)
    left = storage.write(storage.new_key(alice.pk, job.pk, "results", "png"), [b"12345"])
    make_older(left.key, hours=2)
    assert json.loads(told("--files", "--json")[1]) == {
        "missing": 0, "unnamed": 1, "unnamed_bytes": 5, "deleted": False
    }  # fmt: skip
    code, text = told("--files", "--delete-unnamed")
    assert (code, text.endswith("1 file that no row names, 5 B. Deleted.\n")) == (0, True)
    assert not disk.path(left.key).exists()
    assert disk.path(job.uploads.get().source).exists()
    with pytest.raises(CommandError, match="needs --files"):
        call_command("doctor", "--delete-unnamed")


def test_what_changes_while_it_looks_is_no_finding(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    job = make.job(alice)
    upload, files = job.uploads.get(), storage.files

    def moved(folder: str) -> Any:
        """A redo that is done just then: another file, and the row names it."""
        fresh = storage.write(storage.new_key(alice.pk, job.pk, "originals", "png"), [b"1"])
        make_older(fresh.key, hours=2)
        storage.delete([upload.source])
        Upload.objects.filter(pk=upload.pk).update(source=fresh.key)
        return files(folder)

    monkeypatch.setattr(storage, "files", moved)
    assert inventory.of_job(job.pk, alice.pk) == inventory.Found(f"{alice.pk}/{job.pk}")


# ---- migrations at start --------------------------------------------------------------------------------------------


def test_one_that_migrates_has_others_wait(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def migrating(command: str, **options: object) -> None:
        with (environment.DATA / "migrate.lock").open("w") as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        done.append(command)

    done: list[str] = []
    monkeypatch.setattr(schema, "call_command", migrating)
    schema.migrate()
    assert done == ["migrate"]
