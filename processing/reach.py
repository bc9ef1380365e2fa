"""Whether the database, Redis and the storage answer: where each is, or what is wrong, in a sentence with a remedy.

No sentence names a password or a key.
"""

import fcntl
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import redis as redis_library
from django.conf import settings
from django.db import Error as DatabaseTrouble
from django.db import connection

from photoproc.addresses import storage_address
from processing import crew, queue
from processing import storage as files
from processing.errors import PhotoError

SKEW = 2.0  # seconds that two clocks may differ
SILENT = "No such file|Connection refused"  # what is said of a socket behind which no process is
MOVED = "manage.py doctor --storage-moved"
CONTENT = b"written to see whether files can be kept"

# What their libraries say (the names of the errors, then their text), what it means, and the part that is wrong.
Known = tuple[tuple[str, str, str], ...]
NETWORK: Known = (
    ("resolve host|translate host|[Nn]ame or service not known|nodename nor|No address associated|name resolution",
     "no machine has this name", "the host"),
    ("Connection refused|Error 111 |Error 61 ", "nothing listens there", "the host and the port"),
    ("No route to host|Network is unreachable", "the network does not lead there", "the host"),
    ("certificate verify failed|CERTIFICATE_VERIFY_FAILED|root certificate file|does not match host name",
     "its certificate cannot be trusted", "the certificate, or"),
    ("SSL|TLS", "it and this machine do not agree on encryption", "what is said about it"),
    ("[Tt]imeout expired|[Tt]imed? ?out", "it does not answer in time", "the host and the port"),
)  # fmt: skip
DATABASE: Known = (
    ("password authentication failed|no password supplied|role .* does not exist|Ident authentication|Peer authenticat",
     "it does not take this user and password", "the user and the password"),
    ("database .* does not exist", "it has no database of this name", "the name"),
    ("no pg_hba.conf entry|permission denied|may not", "this user may not use it", "the user's rights, or"),
    ("read-only|readonly", "it can only be read, as a copy of another", "the host"),
    ("unable to open database file", "its folder is not there, or closed to this user", "the path"),
    ("not a database|malformed", "the file is no database", "the path"),
    ("received invalid response|expected authentication|server closed the connection", "no PostgreSQL answers",
     "the port"),
    *NETWORK,
)  # fmt: skip
REDIS: Known = (
    ("NOAUTH|without any password|Authentication required", "it wants a password, or has none", "the password"),
    ("AuthenticationError|WRONGPASS|invalid username-password", "it does not take this password", "the password"),
    ("ReadOnlyError|READONLY", "it can only be read, as a copy of another", "the host"),
    ("NoPermissionError|NOPERM", "this user may not use it", "the user's rights, or"),
    ("DB index is out of range|invalid DB index", "it has no database of this number", "the number"),
    ("OutOfMemoryError|OOM|MISCONF", "it takes nothing more, as its memory or its disk is full", "it, or"),
    ("BusyLoadingError|LOADING", "it is still starting", "nothing: wait, or"),
    ("InvalidResponse|Protocol [Ee]rror|Connection closed by server", "no Redis answers", "the port"),
    ("FileNotFoundError|No such file", "it does not run", "the path"),
    *NETWORK,
)  # fmt: skip


class Away(Exception):
    """Something that the house stands on cannot be used: one sentence, and what mends it."""

    def __init__(self, message: str, remedy: str) -> None:
        self.message, self.remedy = message, remedy
        super().__init__(f"{message} {remedy}")


class Elsewhere(Away):
    """The files of the house lie in another place than the settings of this machine say."""


# ---- the three ------------------------------------------------------------------------------------------------------


def database() -> str:
    """What it is, and where. Raises Away."""
    at = database_at()
    try:
        with connection.cursor() as cursor:
            _check_rights(cursor)
    except (DatabaseTrouble, OSError, ValueError) as error:
        own = at == str(settings.DATA_DIR / "db.sqlite3")
        raise _away("The database", at, error, DATABASE, "PHOTO_DATA_DIR" if own else "DATABASE_URL") from error
    return f"{connection.display_name} at {at}"


def redis() -> str:
    """What it is, and where. Raises Away."""
    at = redis_at()
    try:
        queue.quick().set("photoproc:reach", 1, ex=10)
        version = queue.quick().info("server")["redis_version"]
    except (redis_library.RedisError, OSError, ValueError) as error:
        if at == str(settings.REDIS_SOCKET) and re.search(SILENT, _said(error)):
            raise Away(f"Redis does not run at {at}.", "Start it: script/server.") from error
        raise _away("Redis", at, error, REDIS, "REDIS_URL") from error
    return f"Redis {version} at {at}"


def storage() -> str:
    """What it is, and where. Raises Away, Elsewhere; DatabaseError."""
    place()
    return kept()


def place() -> None:
    """Raises Elsewhere where the files of the house lie in another place; Away; DatabaseError."""
    try:
        files.own()
    except PhotoError as error:
        raise _no_storage(error) from error


def kept() -> str:
    """What it is, and where; a file was written there, read and removed. Of a disk, the database knows which it is.
    Raises Away; with a disk, DatabaseError."""
    try:
        files.check()
        with (settings.TMP_DIR / "probe.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # one process of this machine at a time, as the key is always the same
            _try(f".probe-{crew.HOST}")
    except (PhotoError, OSError, ValueError) as error:
        raise _no_storage(error) from error
    return f"Files in {storage_at()}"


def _try(key: str) -> None:
    """Raises PhotoError, ValueError."""
    files.write(key, [CONTENT])
    if files.read(key) != CONTENT:
        raise ValueError("it gives back something else than it was given")
    files.delete([key])
    if files.holds(key):
        raise ValueError("what is deleted there stays")


def _no_storage(error: Exception) -> Away:
    if isinstance(error, files.Elsewhere):
        message = f"The files of this house lie in {error.place}, not in {storage_at()}."
        remedy = f"Set {_storage_setting()} as on its other machines; or if all files were moved, say so: {MOVED}."
        return Elsewhere(message, remedy)
    if isinstance(error, files.Foreign):
        message = f"{_short(error)}, as far as the database knows: {storage_at()}."
        remedy = (
            f"Restore the database, or mend {_storage_setting()}; or if all of it is this house's, say so: {MOVED}."
        )
        return Elsewhere(message, remedy)
    if settings.STORAGE is None:
        remedy = f"Mount the disk, make room, or let this user write there; if all files were moved, say so: {MOVED}."
        return Away(f"Files cannot be kept in {storage_at()}: {_short(error)}.", remedy)
    return _away("The storage", storage_at(), error, NETWORK, _storage_setting())


def _storage_setting() -> str:
    """By which the bucket was named."""
    short = f"s3://{settings.S3_BUCKET_NAME}"
    is_short = settings.S3_BUCKET_NAME and storage_address(short, settings.AWS_REGION) == settings.STORAGE
    return "S3_BUCKET_NAME" if is_short else "STORAGE_URL"


def clocks() -> Iterator[tuple[bool, str]]:
    """Whether each clock agrees with this machine's, and a sentence. Raises redis.RedisError, DatabaseError."""
    for whose, skew in _skews():
        if abs(skew) <= SKEW:
            yield True, f"It agrees with {whose}."
        else:
            told = f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} this machine's"
            yield False, f"The clock of {whose} is {told}."


def _skews() -> Iterator[tuple[str, float]]:
    """By how many seconds each is ahead."""
    seconds, millionths = queue.quick().time()
    yield "Redis", seconds + millionths / 1e6 - time.time()
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
            yield "the database", float(cursor.fetchone()[0]) - time.time()


# ---- where they are -------------------------------------------------------------------------------------------------


def database_at() -> str:
    """host:port/name, or the path of a file."""
    asked = settings.DATABASES["default"]
    host = f"{asked['HOST']}:{asked['PORT']}".rstrip(":")
    return f"{host}/{asked['NAME']}" if host else str(asked["NAME"])


def redis_at() -> str:
    """host:port/number, or the path of a socket."""
    url = urlsplit(settings.REDIS_URL)
    number = f"/{number}" if (number := url.path.strip("/")) else ""
    return f"{url.hostname}:{url.port or 6379}{number}" if url.hostname else url.path


def storage_at() -> str:
    """The folder; or the bucket, its prefix and its endpoint."""
    if not (asked := settings.STORAGE):
        return str(settings.FILES_DIR)
    host = urlsplit(asked.endpoint).netloc.rpartition("@")[2] or asked.region
    return f"{asked.scheme}://{asked.bucket}/{asked.prefix}" + (f" at {host}" if host else "")


# ---- what is wrong --------------------------------------------------------------------------------------------------


def _check_rights(cursor: Any) -> None:
    """Raises DatabaseError, ValueError where it answers, and cannot be worked with."""
    if connection.vendor != "postgresql":
        cursor.execute("PRAGMA user_version")  # reads the file
        path = Path(str(connection.settings_dict["NAME"]))
        if path.is_file() and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
            raise ValueError("readonly")
        return
    cursor.execute(
        "SELECT current_setting('transaction_read_only') = 'on' OR pg_is_in_recovery(),"
        " coalesce(has_table_privilege(to_regclass('processing_upload'), 'SELECT, INSERT, UPDATE, DELETE'),"
        " has_schema_privilege(current_schema(), 'CREATE'), false)"
    )
    is_copy, is_permitted = cursor.fetchone()
    if is_copy:
        raise ValueError("read-only")
    if not is_permitted:
        raise ValueError("this user may not make tables")


def _away(what: str, at: str, error: Exception, known: Known, setting: str) -> Away:
    said = _said(error)
    for pattern, reason, part in known:
        if re.search(pattern, said):
            mend = f"Mend {part} {setting}." if part.endswith(", or") else f"Mend {part} in {setting}."
            return Away(f"{what} cannot be used at {at}: {reason}.", mend)
    return Away(f"{what} cannot be used at {at}: {_short(error)}.", f"Mend that, or {setting}.")


def _said(error: BaseException | None) -> str:
    """The names and texts of an error and of what led to it, and the code that a bucket gave it."""
    words = []
    while error:
        response = getattr(error, "response", None)
        code = response.get("Error", {}).get("Code", "") if isinstance(response, dict) else ""
        words.append(f"{type(error).__name__} {code} {error}")
        error = error.__cause__ or error.__context__
    return "\n".join(words)


def _short(error: Exception) -> str:
    """The first sentence of what a library says, on one line."""
    said = " ".join(str(error).split())
    if isinstance(error, PhotoError):
        said = str(error.values.get("reason", error.message))
        said = said[:1].lower() + said[1:]
    for secret in filter(None, _secrets()):
        said = said.replace(secret, "…")
    return (said or type(error).__name__)[:200].rstrip(".? ")


def _secrets() -> list[str]:
    kept = [settings.STORAGE.secret_key] if settings.STORAGE else []
    return [settings.DATABASES["default"]["PASSWORD"], unquote(urlsplit(settings.REDIS_URL).password or ""), *kept]
