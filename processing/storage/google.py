"""A bucket of Google Cloud Storage. Its library is not installed with ours; its keys are Google's own:
`GOOGLE_APPLICATION_CREDENTIALS` names their file.
"""

import hashlib
import os
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import cache
from typing import IO, Any, ClassVar, TypeVar

from google.api_core.exceptions import Forbidden, GoogleAPIError, NotFound, RequestRangeNotSatisfiable, RetryError
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse
from google.cloud.storage.retry import DEFAULT_RETRY
from requests import RequestException
from storages.backends.gcloud import GoogleCloudStorage

from processing.storage.bucket import CONNECT_SECONDS, PART, READ_SECONDS, Bucket, Unsound
from processing.storage.part import CHUNK
from processing.storage.store import Post, Seen

T = TypeVar("T")

STEP = 4 * 1024 * 1024  # bytes that are fetched at once
TIMES: dict[str, Any] = {
    "timeout": (CONNECT_SECONDS, READ_SECONDS),
    "retry": DEFAULT_RETRY.with_timeout(CONNECT_SECONDS),  # so long it is begun anew
}


class CannotSign(GoogleAuthError):  # type: ignore[misc]  # it comes without types
    """Credentials of a machine hold no key."""


REASONS = {
    NotFound: "There is no bucket of this name",
    Forbidden: "It does not let us in: look at the credentials and what they may do",
    DefaultCredentialsError: "No credentials were found: GOOGLE_APPLICATION_CREDENTIALS names their file",
    CannotSign: "These credentials cannot sign addresses: use the key of a service account, or direct=false",
    RequestException: "It cannot be reached, or does not answer in time",
    RetryError: "It cannot be reached, or does not answer in time",
}


class Google(Bucket):
    """Google encrypts all that it keeps, and forgets by itself what broke off in the middle."""

    errors = (GoogleAPIError, GoogleAuthError, DataCorruption, InvalidResponse, RequestException)
    at_once: ClassVar[int] = 100

    def address(self, key: str, content_type: str, disposition: str) -> str | None:
        if not self.at.direct:
            return None
        blob, told = self._blob(self._name(key)), {"response_type": content_type, "response_disposition": disposition}
        return self._signed(lambda: str(blob.generate_signed_url(version="v4", expiration=self._life(), **told)))

    def post(self, key: str, content_type: str, most: int) -> Post | None:
        if not self.at.direct:
            return None
        asked = {
            "fields": {"Content-Type": content_type},
            "conditions": [["content-length-range", 1, most]],
            "expiration": self._life(),
            "scheme": "https",
        }
        sign = self._bucket().client.generate_signed_post_policy_v4
        made = self._signed(lambda: sign(self.at.bucket, self._name(key), **asked))
        return Post(made["url"], made["fields"])

    def _signed(self, sign: Callable[[], T]) -> T:
        with self._told():
            try:
                return sign()
            except AttributeError as error:
                raise CannotSign from error

    def _life(self) -> timedelta:
        return timedelta(minutes=self.at.minutes)

    def _bucket(self) -> Any:
        with self._told():
            return _bucket(self.at.bucket)

    def _blob(self, name: str) -> Any:
        return self._bucket().blob(name, chunk_size=PART)

    def _check(self) -> None:
        next(iter(self._listed(self.at.prefix, max_results=1)), None)

    def _put(self, name: str, file: IO[bytes], size: int) -> None:
        digest = hashlib.md5(usedforsecurity=False)
        while data := file.read(PART):
            digest.update(data)
        file.seek(0)
        blob = self._blob(name)
        blob.upload_from_file(file, size=size, content_type="application/octet-stream", **TIMES)
        if (blob.size, blob.md5_hash) != (size, b64encode(digest.digest()).decode()):
            raise Unsound

    def _size(self, name: str) -> int | None:
        blob = self._bucket().get_blob(name, **TIMES)
        return int(blob.size) if blob else None

    def _get(self, name: str, part: range | None) -> Iterator[bytes]:
        if part is None:
            size = self._size(name)
            if size is None:
                raise NotFound("")
            part = range(size)
        blob = self._blob(name)
        for start in range(part.start, part.stop, STEP):
            end = min(start + STEP, part.stop) - 1
            try:
                data = blob.download_as_bytes(start=start, end=end, raw_download=True, checksum=None, **TIMES)
            except RequestRangeNotSatisfiable:  # it begins past the end
                return
            yield from (data[at : at + CHUNK] for at in range(0, len(data), CHUNK))

    def _copy(self, name: str, to: str) -> None:
        bucket = self._bucket()
        bucket.copy_blob(bucket.blob(name), bucket, to, **TIMES)

    def _remove(self, names: list[str]) -> dict[str, str]:
        bucket = self._bucket()
        try:
            with bucket.client.batch():
                for name in names:
                    bucket.delete_blob(name, timeout=TIMES["timeout"], retry=None)
        except NotFound:  # one of them; the others are removed all the same
            pass
        return {}

    def _folders(self, prefix: str) -> Iterator[str]:
        found = self._listed(prefix, delimiter="/")
        for _ in found:
            pass
        yield from sorted(found.prefixes)

    def _files(self, prefix: str) -> Iterator[Seen]:
        now = time.time()
        for blob in self._listed(prefix):
            yield Seen(blob.name, blob.size, now - blob.updated.timestamp())

    def _listed(self, prefix: str, **more: Any) -> Any:
        return self._bucket().list_blobs(prefix=prefix, **more, **TIMES)

    def _is_missing(self, error: Exception) -> bool:
        return isinstance(error, NotFound)

    def _is_full(self, error: Exception) -> bool:
        return False  # a quota of Google's is one of requests

    def _reason(self, error: Exception) -> str:
        for kind, reason in REASONS.items():
            if isinstance(error, kind):
                return reason
        return type(error).__name__


@cache
def _bucket(name: str) -> Any:
    return GoogleCloudStorage(bucket_name=name).bucket


os.register_at_fork(after_in_child=_bucket.cache_clear)  # a connection is of the process that made it
