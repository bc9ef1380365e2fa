"""The addresses that the house stands on, read and judged: each error is one sentence, and names no password."""

from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

SCHEMES = ("s3", "gs")
ENCRYPTIONS = ("AES256", "aws:kms", "none")
OPTIONS = ("endpoint", "region", "encryption", "direct", "minutes")
WEEK = 7 * 24 * 60  # minutes; no bucket signs an address for longer
EXAMPLE = "s3://bucket/folder?endpoint=https://minio.example.com&region=eu-central-1"


@dataclass(frozen=True)
class StorageAddress:
    """Where a bucket is. `prefix` is empty or ends in a slash; where `direct`, people fetch from the bucket itself and
    send into it, by addresses that work for so many `minutes`. Without `access_key` the library looks for one."""

    scheme: str
    bucket: str
    prefix: str = ""
    endpoint: str = ""
    region: str = ""
    encryption: str = "AES256"
    direct: bool = True
    minutes: int = 60
    access_key: str = ""
    secret_key: str = ""


def storage_address(text: str) -> StorageAddress:
    """Raises ValueError."""
    parts = urlsplit(text)
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise _wrong(f"It begins with {' or '.join(f'{scheme}://' for scheme in SCHEMES)} and a bucket's name")
    asked = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := asked.keys() - set(OPTIONS):
        raise _wrong(f"It knows no option {min(unknown)!r}, only {', '.join(OPTIONS)}")
    encryption, minutes = asked.get("encryption", "AES256"), asked.get("minutes", "60")
    if encryption not in ENCRYPTIONS:
        raise _wrong(f"encryption is one of {', '.join(ENCRYPTIONS)}")
    if not (minutes.isascii() and minutes.isdecimal() and 0 < int(minutes) <= WEEK):
        raise _wrong(f"minutes is a number from 1 to {WEEK}")
    if asked.get("direct", "true") not in ("true", "false"):
        raise _wrong("direct is true or false")
    if asked.get("endpoint") and not asked["endpoint"].startswith(("http://", "https://")):
        raise _wrong("endpoint begins with http:// or https://")
    return StorageAddress(
        scheme=parts.scheme,
        bucket=parts.netloc.rpartition("@")[2],  # as it is written: hostname would be in small letters
        prefix=f"{path}/" if (path := unquote(parts.path).strip("/")) else "",
        endpoint=asked.get("endpoint", "").rstrip("/"),
        region=asked.get("region", ""),
        encryption=encryption,
        direct=asked.get("direct", "true") == "true",
        minutes=int(minutes),
        access_key=unquote(parts.username or ""),
        secret_key=unquote(parts.password or ""),
    )


def _wrong(reason: str) -> ValueError:
    return ValueError(f"STORAGE_URL cannot be used: {reason}. An example: {EXAMPLE}")
