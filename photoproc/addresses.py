"""The addresses that the house stands on, read and judged: each error is one sentence, and names no password."""

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import dj_database_url

ENCRYPTIONS = ("AES256", "aws:kms", "none")
OPTIONS = {"s3": ("endpoint", "region", "encryption", "direct", "minutes"), "gs": ("direct", "minutes")}
WEEK = 7 * 24 * 60  # minutes; no bucket signs an address for longer
DATABASES = ("postgres", "postgresql", "sqlite")
REDIS_SCHEMES = ("redis", "rediss", "unix")
EXAMPLE = "s3://bucket/folder?endpoint=https://minio.example.com&region=eu-central-1"
BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{2,221}")
ONE_LABEL = re.compile(r"[a-z0-9-]{3,63}")  # a bucket whose name can stand before a host's, as its certificate says
ENDPOINT = re.compile(r"https?://([\w.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[\w./~-]*)?", re.ASCII)
REGION = re.compile(r"[A-Za-z0-9-]{1,63}")
GOOGLE = "https://storage.googleapis.com"


@dataclass(frozen=True)
class StorageAddress:
    """Where a bucket is. `prefix` is empty or ends in a slash; where `direct`, people fetch from the bucket itself and
    send into it, by addresses that work for so many `minutes`. Without `access_key` the library looks for one."""

    scheme: str
    bucket: str
    prefix: str = ""
    endpoint: str = ""
    region: str = "us-east-1"
    encryption: str = "AES256"
    direct: bool = True
    minutes: int = 60
    access_key: str = field(default="", repr=False)  # in no traceback, and on no page of Django's
    secret_key: str = field(default="", repr=False)

    @property
    def origin(self) -> str | None:
        """Where a browser meets the bucket, such as `https://photos.s3.eu-central-1.amazonaws.com`; None where it
        meets us alone."""
        if not self.direct:
            return None
        if self.scheme == "gs":
            return GOOGLE
        if self.endpoint:
            parts = urlsplit(self.endpoint)
            return f"{parts.scheme}://{parts.netloc}"
        host = f"s3.{self.region}.amazonaws.com" + (".cn" if self.region.startswith("cn-") else "")
        return f"https://{self.bucket}.{host}" if ONE_LABEL.fullmatch(self.bucket) else f"https://{host}"


def storage_address(text: str, region: str = "") -> StorageAddress:
    """`region` is that of a bucket which names none. Raises ValueError."""
    try:
        parts = urlsplit(text)
    except ValueError:  # its own words may hold the password
        raise _wrong("It is no address") from None
    if parts.scheme not in OPTIONS or not parts.netloc:
        raise _wrong(f"It begins with {' or '.join(f'{scheme}://' for scheme in OPTIONS)} and a bucket's name")
    keys, _, bucket = parts.netloc.rpartition("@")
    if not BUCKET.fullmatch(bucket) or parts.fragment:
        raise _wrong("What stands before its first / is no bucket's name; in a key or password / is %2F, # is %23")
    access_key, _, secret_key = (unquote(key) for key in keys.partition(":"))
    if bool(access_key) != bool(secret_key) or (keys and parts.scheme == "gs"):
        raise _wrong("Before the @ stand the access key, a colon and the secret key, and only with s3://")
    folders = [folder for folder in unquote(parts.path).split("/") if folder]
    if not all(folder.isprintable() and folder not in (".", "..") for folder in folders):
        raise _wrong("Its folder is no folder's name")
    return StorageAddress(
        scheme=parts.scheme,
        bucket=bucket,
        prefix="".join(f"{folder}/" for folder in folders),
        access_key=access_key,
        secret_key=secret_key,
        **_options(parts.scheme, parts.query, region),
    )


def _options(scheme: str, query: str, region: str) -> dict[str, Any]:
    """Of an address that names the bucket."""
    asked = {"encryption": "AES256", "minutes": "60", "direct": "true", "endpoint": "", "region": region or "us-east-1"}
    sent = dict(parse_qsl(query, keep_blank_values=True))
    if sent.keys() - set(OPTIONS[scheme]):  # not named: it may be a part of a password that holds a question mark
        raise _wrong(f"With {scheme}:// its options are {', '.join(OPTIONS[scheme])}")
    asked |= sent
    if asked["encryption"] not in ENCRYPTIONS:
        raise _wrong(f"encryption is one of {', '.join(ENCRYPTIONS)}")
    if not (re.fullmatch("[0-9]{1,5}", asked["minutes"]) and 0 < int(asked["minutes"]) <= WEEK):
        raise _wrong(f"minutes is a number from 1 to {WEEK}")
    if asked["direct"] not in ("true", "false"):
        raise _wrong("direct is true or false")
    if asked["endpoint"] and not _is_endpoint(asked["endpoint"]):
        raise _wrong("endpoint is http:// or https:// and a host, with a port where it needs one")
    if not REGION.fullmatch(asked["region"]):
        raise _wrong("region is a name such as eu-central-1")
    return {
        **asked,
        "endpoint": asked["endpoint"].rstrip("/"),
        "direct": asked["direct"] == "true",
        "minutes": int(asked["minutes"]),
    }


def _is_endpoint(text: str) -> bool:
    found = ENDPOINT.fullmatch(text)
    return found is not None and int((found[2] or ":1")[1:]) <= 65535


def _wrong(reason: str) -> ValueError:
    return ValueError(f"STORAGE_URL cannot be used: {reason}. An example: {EXAMPLE}")


def database_address(text: str) -> dict[str, Any]:
    """What Django's DATABASES wants. Raises ValueError."""
    example = "An example: postgres://user:password@db.example.com:5432/photoproc"
    if not text.startswith(tuple(f"{scheme}://" for scheme in DATABASES)):
        raise ValueError(f"DATABASE_URL must begin with postgres:// or sqlite:///. {example}")
    try:
        found = dict(dj_database_url.parse(text))
    except ValueError:
        found = {"NAME": "@"}
    if "@" in str(found["NAME"]) and not text.startswith("sqlite"):
        reason = "its port is a number, and the signs / @ # ? of a password are written as %2F %40 %23 %3F"
        raise ValueError(f"DATABASE_URL cannot be read: {reason}. {example}")
    if not found["NAME"]:
        raise ValueError(f"DATABASE_URL must name a database. {example}")
    return found


def redis_address(text: str, **options: str) -> str:
    """The address with these options for its library, unless it has them. Raises ValueError."""
    try:
        parts = urlsplit(text)
        number = parts.path.strip("/")
        fits = parts.path if parts.scheme == "unix" else parts.hostname and parts.port != 0 and f"0{number}".isdecimal()
    except ValueError:
        fits = False
    if parts.scheme not in REDIS_SCHEMES or not fits:
        reason = "begin with redis://, rediss:// or unix://, and have numbers as port and database"
        raise ValueError(f"REDIS_URL must {reason}. An example: redis://:password@redis.example.com:6379/0")
    more = urlencode({name: value for name, value in options.items() if name not in dict(parse_qsl(parts.query))})
    return f"{text}{'&' if parts.query else '?'}{more}" if more else text
