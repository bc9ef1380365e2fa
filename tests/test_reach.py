"""What the house stands on is told in one sentence, where it is and what is wrong with it; never a password."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis as redis_library
from django.db import OperationalError, connection
from pytest_django.fixtures import Settings

from photoproc.addresses import StorageAddress, storage_address
from processing import reach, storage
from tests import bucket as buckets
from tests import environment
from tests.bucket import Bucket, Fault, Proxy

SECRET = "geheim"


def said(look: Any) -> str:
    with pytest.raises(reach.Away) as caught:
        look()
    assert SECRET not in str(caught.value)
    return str(caught.value)


def test_what_answers_is_told_with_its_place(db: None, settings: Settings) -> None:
    assert reach.database().startswith(connection.display_name)
    assert reach.redis().endswith(f" at {environment.DATA}/redis.sock")
    if settings.STORAGE is None:
        assert reach.storage() == f"Files in {settings.FILES_DIR}"
        assert not [place for place in settings.FILES_DIR.iterdir() if place.name.startswith(".probe")]


# ---- the database ---------------------------------------------------------------------------------------------------

POSTGRES = {
    'connection failed: FATAL:  password authentication failed for user "photo"': "does not take this user and",
    'connection failed: FATAL:  role "photo" does not exist': "does not take this user and password",
    'connection failed: FATAL:  database "nothing" does not exist': "has no database of this name",
    "[Errno -2] Name or service not known": "no machine has this name",
    "failed to resolve host 'nowhere.example.com'": "no machine has this name",
    'connection to server at "127.0.0.1", port 1 failed: Connection refused': "nothing listens there",
    "connection timeout expired": "does not answer in time",
    'FATAL:  no pg_hba.conf entry for host "10.0.0.7", user "photo"': "this user may not use it",
    "SSL error: certificate verify failed": "its certificate cannot be trusted",
    "server does not support SSL, but SSL was required": "do not agree on encryption",
    f"something new with {SECRET} in it\nand more": "something new with … in it and more",
}


@pytest.mark.parametrize(("error", "meant"), POSTGRES.items())
def test_what_postgresql_says_is_put_into_a_sentence(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, db: None, error: str, meant: str
) -> None:
    for name, value in {"HOST": "db", "PORT": 5432, "NAME": "photo", "PASSWORD": SECRET}.items():
        monkeypatch.setitem(settings.DATABASES["default"], name, value)
    monkeypatch.setattr(reach, "_check_rights", lambda cursor: _fail(OperationalError(error)))
    told = said(reach.database)
    assert told.startswith("The database cannot be used at db:5432/photo: ")
    assert meant in told
    assert "DATABASE_URL" in told


def _fail(error: Exception) -> None:
    raise error


# ---- Redis ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def guarded(settings: Settings) -> Any:
    """The tests' own Redis, where one user may only read and the others need a password."""
    own = redis_library.Redis.from_url(settings.REDIS_URL)
    own.acl_setuser("reader", enabled=True, passwords=[f"+{SECRET}"], categories=["+@read", "+@connection"], keys=["*"])
    yield f"unix://reader:{SECRET}@{environment.DATA}/redis.sock"
    own.acl_deluser("reader")
    own.close()


def test_a_redis_that_does_not_want_this_password_says_so(settings: Settings, guarded: str) -> None:
    settings.REDIS_URL = guarded.replace(SECRET, "wrong")
    assert "it does not take this password. Mend the password in REDIS_URL." in said(reach.redis)
    settings.REDIS_URL = guarded
    assert "this user may not use it. Mend the user's rights, or REDIS_URL." in said(reach.redis)


def test_a_redis_that_is_a_copy_of_another_says_so(settings: Settings) -> None:
    own = redis_library.Redis.from_url(settings.REDIS_URL)
    own.replicaof("127.0.0.1", 1)
    try:
        assert "it can only be read, as a copy of another. Mend the host in REDIS_URL." in said(reach.redis)
    finally:
        own.replicaof("NO", "ONE")
        own.close()


def test_a_wrong_place_of_redis_is_told(settings: Settings) -> None:
    settings.REDIS_URL = f"redis://:{SECRET}@127.0.0.1:1/3"
    assert said(reach.redis).startswith(
        "Redis cannot be used at 127.0.0.1:1/3: nothing listens there. Mend the host and"
    )
    settings.REDIS_URL = "redis://nowhere.invalid"
    assert said(reach.redis).startswith("Redis cannot be used at nowhere.invalid:6379: no machine has this name. ")
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        settings.REDIS_URL = f"redis://127.0.0.1:{deaf.getsockname()[1]}"
        assert "it does not answer in time" in said(reach.redis)


def test_a_redis_of_our_own_that_does_not_run_is_to_be_started(settings: Settings, tmp_path: Path) -> None:
    settings.REDIS_SOCKET = tmp_path / "redis.sock"
    settings.REDIS_URL = f"unix://{settings.REDIS_SOCKET}"
    assert said(reach.redis) == f"Redis does not run at {settings.REDIS_SOCKET}. Start it: script/server."


# ---- the storage ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def proxy(bucket_process: Bucket) -> Iterator[Proxy]:
    with buckets.proxy(bucket_process) as before:
        yield before


def told_of_bucket(settings: Settings, endpoint: str) -> str:
    settings.STORAGE = StorageAddress(
        "s3", "photos", "shop/", endpoint, access_key="key", secret_key=SECRET, encryption="none"
    )
    told = said(reach.kept)
    place = f"s3://photos/shop/ at {endpoint.partition('//')[2]}"
    assert told.startswith(f"The storage cannot be used at {place}: ")
    return told


BUCKET = {
    Fault(status=404, code="NoSuchBucket"): "there is no bucket of this name. Mend that, or STORAGE_URL.",
    Fault(status=403, code="AccessDenied"): "it does not let us in: look at the access key and what it may do. Mend",
    Fault(status=301, code="PermanentRedirect"): "it sends us elsewhere: look at the endpoint and the region. Mend",
    Fault(status=403, code="RequestTimeTooSkewed"): "its clock and this machine's differ. Mend",
}


@pytest.mark.parametrize(("fault", "meant"), BUCKET.items(), ids=lambda value: getattr(value, "code", ""))
def test_why_a_bucket_cannot_be_used_is_told_with_a_remedy(
    settings: Settings, proxy: Proxy, fault: Fault, meant: str
) -> None:
    proxy.always = fault
    assert meant in told_of_bucket(settings, proxy.endpoint)
    settings.S3_BUCKET_NAME, settings.STORAGE = "photos", storage_address(f"s3://photos?endpoint={proxy.endpoint}")
    assert reach._storage_setting() == "STORAGE_URL"
    settings.STORAGE = storage_address("s3://photos", settings.AWS_REGION)
    assert reach._storage_setting() == "S3_BUCKET_NAME"


def test_a_wrong_place_of_a_bucket_is_told(settings: Settings) -> None:
    nothing = told_of_bucket(settings, "http://127.0.0.1:1")
    assert nothing.endswith(": nothing listens there. Mend the host and the port in STORAGE_URL.")
    nowhere = told_of_bucket(settings, "http://nowhere.invalid")
    assert nowhere.endswith(": no machine has this name. Mend the host in STORAGE_URL.")


# ---- where the files lie --------------------------------------------------------------------------------------------


def test_a_machine_whose_files_lie_elsewhere_than_those_of_the_house_says_so(
    db: None, settings: Settings, bucket: Bucket
) -> None:
    reach.storage()
    place = f"s3://{bucket.name}/house/"
    settings.STORAGE = None
    for look in (reach.place, reach.kept):
        with pytest.raises(reach.Elsewhere):
            look()
    told = said(reach.storage)
    assert told.startswith(f"The files of this house lie in {place}, not in {settings.FILES_DIR}. Set STORAGE_URL as ")
    assert told.endswith("if all files were moved, say so: manage.py doctor --storage-moved.")
    assert not settings.FILES_DIR.exists()
    settings.STORAGE = storage_address(bucket.address("another"))
    with pytest.raises(reach.Elsewhere, match=f"lie in {place}, not in s3://{bucket.name}/another/"):
        reach.storage()
    storage.moved()
    assert reach.storage().startswith(f"Files in s3://{bucket.name}/another/")


def test_a_folder_that_cannot_be_written_is_told(db: None, settings: Settings, tmp_path: Path) -> None:
    settings.FILES_DIR = tmp_path / "file"
    (tmp_path / "file").touch()
    assert said(reach.storage).startswith(f"Files cannot be kept in {tmp_path}/file: not a directory. Mount the disk")


def test_clocks_are_compared(db: None) -> None:
    assert (True, "It agrees with Redis.") in list(reach.clocks())
