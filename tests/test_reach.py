"""What the house stands on is told in one sentence, where it is and what is wrong with it; never a password."""

import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
import redis as redis_library
from django.db import OperationalError, connection
from pytest_django.fixtures import Settings

from photoproc.addresses import StorageAddress
from processing import reach, storage
from processing.errors import PhotoError
from tests import environment

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


# ---- the storage ----------------------------------------------------------------------------------------------------


class ClientError(Exception):
    """As the bucket's library raises it."""

    def __init__(self, code: str) -> None:
        self.response = {"Error": {"Code": code}}
        super().__init__(f"An error occurred ({code}) when calling the PutObject operation")


class EndpointConnectionError(Exception): ...


class NoCredentialsError(Exception): ...


BUCKET = {
    ClientError("NoSuchBucket"): "there is no such bucket. Mend the bucket's name in STORAGE_URL.",
    ClientError(
        "InvalidAccessKeyId"
    ): "it does not take this key. Mend AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or",
    ClientError("SignatureDoesNotMatch"): "it does not take this key.",
    ClientError("AccessDenied"): "this key may not read, write and delete there. Mend the policy of the bucket, or",
    ClientError("PermanentRedirect"): "it lies in another region.",
    ClientError("404"): "there is no such bucket, or no S3 at all. Mend the bucket's name and endpoint in STORAGE_URL.",
    ClientError("403"): "it does not take this key, or the key may not read, write and delete there.",
    EndpointConnectionError('Could not connect to the endpoint URL: "http://127.0.0.1:1/photos"'): "nothing answers",
    NoCredentialsError("Unable to locate credentials"): "no key was given for it.",
    ssl.SSLError("[SSL: CERTIFICATE_VERIFY_FAILED]"): "its certificate cannot be trusted.",
    TimeoutError("Read timed out."): "it does not answer in time.",
}


@pytest.mark.parametrize(("error", "meant"), BUCKET.items(), ids=lambda value: str(value)[:30])
def test_what_a_bucket_says_is_put_into_a_sentence(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, error: Exception, meant: str
) -> None:
    def unavailable() -> None:
        raise PhotoError("storage_unavailable") from error

    settings.STORAGE = StorageAddress("s3", "photos", "shop/", f"http://a:{SECRET}@minio:9000", secret_key=SECRET)
    monkeypatch.setattr(storage, "check", unavailable)
    told = said(reach.storage)
    assert told.startswith("The storage cannot be used at s3://photos/shop/ at minio:9000: ")
    assert meant in told


def test_a_folder_that_cannot_be_written_is_told(db: None, settings: Settings, tmp_path: Path) -> None:
    settings.FILES_DIR = tmp_path / "file"
    (tmp_path / "file").touch()
    assert said(reach.storage).startswith(f"Files cannot be kept in {tmp_path}/file: Storage does not answer. Mount")


def test_clocks_are_compared(db: None) -> None:
    assert (True, "It agrees with Redis.") in list(reach.clocks())
