"""A bucket of Amazon S3, or of one that speaks as it does (MinIO, Ceph, R2, …)."""

import hashlib
import os
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from functools import cache, partial
from typing import IO, Any

import structlog
from botocore import exceptions
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from storages.backends.s3 import S3Storage
from urllib3.exceptions import HTTPError
from urllib3.exceptions import TimeoutError as TimedOut

from photoproc.addresses import StorageAddress
from processing.storage.bucket import CONNECT_SECONDS, PART, QUICK_SECONDS, READ_SECONDS, TRIES, Bucket, Unsound, timely
from processing.storage.store import OURS, Post, Seen
from processing.storage.sums import CHECKSUM, ETAG, composed, etag

log = structlog.stdlib.get_logger(__name__)

MOST_PARTS = 10_000  # of one file
MISSING = ("404", "NoSuchKey", "NoSuchBucket")
FULL = ("QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "InsufficientStorage")
REFUSED = ("401", "403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken")
ELSEWHERE = "It sends us elsewhere: look at the endpoint and the region"
REASONS = {
    **dict.fromkeys((*MISSING, "InvalidBucketName"), "There is no bucket of this name"),
    **dict.fromkeys(REFUSED, "It does not let us in: look at the access key and what it may do"),
    **dict.fromkeys(("301", "PermanentRedirect", "AuthorizationHeaderMalformed"), ELSEWHERE),
    "RequestTimeTooSkewed": "Its clock and this machine's differ",
}
BROKEN = {
    RecursionError: ELSEWHERE,
    exceptions.NoCredentialsError: "No access key was given or found",
    exceptions.ReadTimeoutError: "It does not answer in time",
    exceptions.ConnectionError: "It cannot be reached",
    exceptions.HTTPClientError: "The connection broke",
    TimedOut: "It does not answer in time",
    HTTPError: "The connection broke",
}


KMS = "aws:kms"  # it hides the MD5 in the ETag
_hiding: set[StorageAddress] = set()  # buckets that encrypt so, whatever they are asked for


class Hidden(Exception):
    """The bucket does not say by its ETag what arrived."""


class S3(Bucket):
    """One client for all threads of a process; `client` is boto3's."""

    errors = (BotoCoreError, ClientError, HTTPError, RecursionError)  # which follows a 301 without a region for ever

    def __init__(self, address: StorageAddress, *, is_quick: bool = False) -> None:
        super().__init__(address)
        self.client = _client(address.endpoint, address.region, address.access_key, address.secret_key, is_quick)
        self.bucket = {"Bucket": address.bucket}
        kept = address.encryption
        self.encryption = {} if kept == "none" else {"ServerSideEncryption": kept}
        hides = kept == KMS or address in _hiding
        self.sum, self.summed = (CHECKSUM, {"ChecksumAlgorithm": "SHA256"}) if hides else (ETAG, {})

    def answers(self) -> None:
        S3(self.at, is_quick=True).check()

    def address(self, key: str, content_type: str, disposition: str) -> str | None:
        if not self.at.direct:
            return None
        shown = {"ResponseContentType": content_type, "ResponseContentDisposition": disposition}
        asked = {**self.bucket, "Key": self._name(key), **shown}
        with self._told():
            return str(self.client.generate_presigned_url("get_object", asked, ExpiresIn=60 * self.at.minutes))

    def post(self, key: str, content_type: str, most: int) -> Post | None:
        if not self.at.direct:
            return None
        fields = {"Content-Type": content_type}
        if self.encryption:
            fields["x-amz-server-side-encryption"] = self.at.encryption
        exact = [{name: value} for name, value in fields.items()]
        with self._told():
            made = self.client.generate_presigned_post(
                **self.bucket, Key=self._name(key), Fields=fields, ExpiresIn=60 * self.at.minutes,
                Conditions=[*exact, ["content-length-range", 1, most]],
            )  # fmt: skip
        return Post(made["url"], made["fields"])

    def clear_parts(self, older_than: float) -> int:
        given_up = 0
        with self._told():
            for begun in self._pages("list_multipart_uploads", "Uploads", self.at.prefix):
                is_ours = OURS.fullmatch("/".join(self._key(begun["Key"]).split("/")[:2]))
                if is_ours and time.time() - begun["Initiated"].timestamp() > older_than:
                    self._abort({"Key": begun["Key"], "UploadId": begun["UploadId"]})
                    given_up += 1
        return given_up

    def _check(self) -> None:
        try:
            self.client.head_bucket(**self.bucket)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
                raise
            # The answer to a HEAD has no room for the reason.
            self.client.list_objects_v2(**self.bucket, MaxKeys=1)

    def _put(self, name: str, file: IO[bytes], size: int) -> None:
        try:
            self._put_whole(name, file, size)
        except Hidden:
            _hiding.add(self.at)
            file.seek(0)
            S3(self.at)._put_whole(name, file, size)

    def _put_whole(self, name: str, file: IO[bytes], size: int) -> None:
        if size > PART:
            self._put_parts(name, file, size)
        else:
            self._send("put_object", {"Key": name, **self.encryption}, file.read())

    def _put_parts(self, name: str, file: IO[bytes], size: int) -> None:
        """Whatever goes wrong, no part stays."""
        asked = {"Key": name, **self.encryption, **self.summed}
        sent = {"Key": name, "UploadId": self.client.create_multipart_upload(**self.bucket, **asked)["UploadId"]}
        step = max(PART, -(-size // MOST_PARTS))
        try:
            parts = [
                {"PartNumber": number, **self._send("upload_part", {**sent, "PartNumber": number}, data)}
                for number, data in enumerate(iter(partial(file.read, step), b""), 1)
            ]
            answer = self.client.complete_multipart_upload(**self.bucket, **sent, MultipartUpload={"Parts": parts})
        except BaseException:
            self._abort(sent)
            raise
        if self._size(name) != size or (self.sum is ETAG and etag(answer) != composed(parts)):
            raise Unsound

    def _send(self, operation: str, what: dict[str, Any], data: bytes) -> dict[str, Any]:
        """A file, or a part of one. Gives the sums by which the bucket knows it. Raises Unsound, Hidden."""
        expected = self.sum.of(data)
        told = {**self.summed, self.sum.field: expected} if self.summed else {}  # so that the bucket judges it too
        answer = getattr(self.client, operation)(**self.bucket, **what, **told, Body=data)
        if self.sum is ETAG and answer.get("ServerSideEncryption", "").startswith(KMS):
            raise Hidden
        if answer.get(self.sum.field, "").strip('"') != expected:
            raise Unsound
        return {name: answer[name] for name in {"ETag", self.sum.field}}

    def _abort(self, sent: dict[str, str]) -> None:
        """Where that fails, `clear_parts` does it later."""
        try:
            self.client.abort_multipart_upload(**self.bucket, **sent)
        except self.errors as error:
            log.warning("parts_not_removed", key=self._key(sent["Key"]), reason=self._reason(error))

    def _size(self, name: str) -> int | None:
        try:
            return int(self.client.head_object(**self.bucket, Key=name)["ContentLength"])
        except ClientError as error:
            if self._is_missing(error):
                return None
            raise

    def _get(self, name: str, part: range | None) -> Iterator[bytes]:
        asked = {"Range": f"bytes={part.start}-{part.stop - 1}"} if part else {}
        try:
            answer = self.client.get_object(**self.bucket, Key=name, **asked)
        except ClientError as error:
            if _code(error) == "InvalidRange":  # it begins past the end
                return
            raise
        with closing(answer["Body"]) as body:  # whose own reader waits until a piece is whole, however slowly it comes
            yield from timely(body._raw_stream.read1, answer.get("ContentLength", 0))

    def _copy(self, name: str, to: str) -> None:
        source = {**self.bucket, "Key": name}
        self.client.copy_object(**self.bucket, Key=to, CopySource=source, **self.encryption)

    def _remove(self, names: list[str]) -> dict[str, str]:
        wanted = {"Objects": [{"Key": name} for name in names], "Quiet": True}
        answer = self.client.delete_objects(**self.bucket, Delete=wanted)
        return {error["Key"]: error.get("Code", "") for error in answer.get("Errors", [])}

    def _folders(self, prefix: str) -> Iterator[str]:
        for found in self._pages("list_objects_v2", "CommonPrefixes", prefix, Delimiter="/"):
            yield found["Prefix"]

    def _files(self, prefix: str) -> Iterator[Seen]:
        now = time.time()
        for found in self._pages("list_objects_v2", "Contents", prefix):
            yield Seen(found["Key"], found["Size"], now - found["LastModified"].timestamp())

    def _pages(self, operation: str, field: str, prefix: str, **more: str) -> Iterator[Any]:
        for page in self.client.get_paginator(operation).paginate(**self.bucket, Prefix=prefix, **more):
            yield from page.get(field, [])

    def _is_missing(self, error: Exception) -> bool:
        return _code(error) in MISSING

    def _is_full(self, error: Exception) -> bool:
        return _code(error) in FULL

    def _reason(self, error: Exception) -> str:
        for kind, reason in BROKEN.items():
            if isinstance(error, kind):
                return reason
        return REASONS.get(_code(error)) or _code(error) or type(error).__name__


def _code(error: Exception) -> str:
    """Of an answer; the status, where a HEAD has no room for more."""
    return str(error.response["Error"].get("Code", "")) if isinstance(error, ClientError) else ""


@cache
def _client(endpoint: str, region: str, access_key: str, secret_key: str, is_quick: bool) -> Any:
    """It connects at its first request."""
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "path" if endpoint else "virtual", "us_east_1_regional_endpoint": "regional"},
        connect_timeout=QUICK_SECONDS if is_quick else CONNECT_SECONDS,
        read_timeout=QUICK_SECONDS if is_quick else READ_SECONDS,
        retries={"total_max_attempts": 1 if is_quick else TRIES, "mode": "standard"},
        tcp_keepalive=True,
        # Sums of our own judge what is sent; not every maker knows those that the library would add.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    storage = S3Storage(
        access_key=access_key or None,
        secret_key=secret_key or None,
        security_token=None,  # the library finds all that the environment holds
        region_name=region,
        endpoint_url=endpoint or None,
        client_config=config,
    )
    client = storage.connection.meta.client
    client.meta.events.register("before-call.s3.DeleteObjects", _add_md5)
    return client


def _add_md5(params: dict[str, Any], **_: object) -> None:
    """Older makers delete several files for nobody who leaves it out, as the library does."""
    digest = hashlib.md5(params["body"], usedforsecurity=False).digest()
    params["headers"]["Content-MD5"] = b64encode(digest).decode()


os.register_at_fork(after_in_child=_client.cache_clear)  # a connection is of the process that made it
