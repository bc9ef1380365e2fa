"""The cast and the ground that all tests share."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.signals import request_finished
from django.db import close_old_connections, connection
from django.test import Client

from photoproc.addresses import storage_address
from processing import queue, steering
from tests import bucket as buckets
from tests import environment
from tests.grouped import pytest_collection_modifyitems as pytest_collection_modifyitems  # noqa: PLC0414
from tests.pictures import picture as picture  # noqa: PLC0414  # where tests look for it


def pytest_configure(config: pytest.Config) -> None:
    says = "any_database: harms or asks something else of a whole house: left out where the tests run on PostgreSQL"
    config.addinivalue_line("markers", says)


@pytest.fixture(scope="session", autouse=True)
def redis_process() -> Iterator[None]:
    process = environment.start_redis(environment.DATA)
    yield
    process.terminate()
    process.wait()


@pytest.fixture
def empty_redis() -> Iterator[None]:
    """Nothing is in it before the test, nor after it."""
    queue.connection().flushdb()
    yield
    queue.connection().flushdb()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """SQLite on the disk: one in memory knows no busy timeout, so that threads would fail where processes wait."""
    if connection.vendor == "sqlite":
        connection.settings_dict["TEST"]["NAME"] = str(environment.DATA / "test.sqlite3")


@pytest.fixture(autouse=True)
def connections_stay_open() -> None:
    """A response that a test closes would close the connection in the midst of the test's transaction."""
    request_finished.disconnect(close_old_connections)


@pytest.fixture(autouse=True)
def plain_settings(settings: "pytest.FixtureRequest", tmp_path: Path) -> None:
    cache.clear()
    settings.FILES_DIR = tmp_path / "files"  # type: ignore[attr-defined]
    settings.STORAGES = {  # type: ignore[attr-defined]
        **settings.STORAGES,  # type: ignore[attr-defined]
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # type: ignore[attr-defined]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own for what is measured of the machine."""
    monkeypatch.setenv("PHOTO_DATA_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="session")
def bucket_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[buckets.Bucket]:
    made = buckets.start(tmp_path_factory.mktemp("s3"))
    yield made
    made.stop()


@pytest.fixture
def bucket(bucket_process: buckets.Bucket, settings: "pytest.FixtureRequest") -> buckets.Bucket:
    """An empty bucket, where this test's files live."""
    made = bucket_process.fresh()
    settings.STORAGE = storage_address(made.url)  # type: ignore[attr-defined]
    return made


@pytest.fixture
def alice(db: None) -> User:
    """Owns what the test makes."""
    return User.objects.create_user("alice", "alice@example.com", "alice-password")


@pytest.fixture
def bob(db: None) -> User:
    """A stranger to everything of Alice's."""
    return User.objects.create_user("bob", "bob@example.com", "bob-password")


@pytest.fixture
def olga(db: None) -> User:
    """An operator, who may do all that operators may."""
    made = User.objects.create_user("olga", "olga@example.com", "olga-password", is_staff=True)
    steering.operators().user_set.add(made)
    return made


@pytest.fixture
def otto(db: None) -> User:
    """An operator who may look, and do nothing."""
    steering.operators()  # when it is made, all operators become members
    return User.objects.create_user("otto", "otto@example.com", "otto-password", is_staff=True)


@pytest.fixture
def as_user() -> Callable[[User], Client]:
    def sign_in(user: User) -> Client:
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return sign_in
