"""A real S3 server process, buckets in it, and a proxy before it that does to requests what networks do."""

import http.client
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx

from tests.house import free_port, wait_for

KEY, SECRET = "test-key", "test-secret"
_numbers = count(1)


@dataclass
class Bucket:
    """An empty bucket in a server that runs. `client` is a plain client of boto3, which passes no proxy."""

    endpoint: str
    name: str
    client: Any
    process: "subprocess.Popen[bytes]"

    @property
    def url(self) -> str:
        """What STORAGE_URL is for it."""
        return self.address()

    def address(self, prefix: str = "house", **options: str) -> str:
        """A STORAGE_URL with these options too."""
        query = urlencode({"endpoint": self.endpoint, "region": "us-east-1", **options})
        return f"s3://{KEY}:{SECRET}@{self.name}/{prefix}?{query}"

    def fresh(self) -> "Bucket":
        """Another one, in the same server."""
        name = f"bucket-{next(_numbers)}"
        self.client.create_bucket(Bucket=name)
        return Bucket(self.endpoint, name, self.client, self.process)

    def keys(self, prefix: str = "") -> list[str]:
        """Of all that lies in it."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        return [found["Key"] for page in pages for found in page.get("Contents", [])]

    def put(self, key: str, data: bytes, **more: str) -> None:
        self.client.put_object(Bucket=self.name, Key=key, Body=data, **more)

    def get(self, key: str) -> bytes:
        return bytes(self.client.get_object(Bucket=self.name, Key=key)["Body"].read())

    def vanish(self) -> None:
        """The whole bucket is gone."""
        for key in self.keys():
            self.client.delete_object(Bucket=self.name, Key=key)
        self.client.delete_bucket(Bucket=self.name)

    def stop(self) -> None:
        """The server ends, and all that it held is gone."""
        self.process.terminate()
        self.process.wait()


def start(folder: Path, host: str = "127.0.0.1") -> Bucket:
    """A server that logs into `folder`. What it holds is in its memory."""
    import boto3  # heavy, and most tests need none of it
    from botocore.config import Config

    port = free_port()
    server = [str(Path(sys.executable).with_name("moto_server")), "-H", host, "-p", str(port)]
    with (folder / "s3.log").open("wb") as log:
        process = subprocess.Popen(server, stdout=log, stderr=subprocess.STDOUT, cwd=folder)
    endpoint = f"http://{host}:{port}"
    wait_for(lambda: _answers(endpoint), 30, step=0.05)
    client = boto3.session.Session(KEY, SECRET).client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", config=Config(s3={"addressing_style": "path"})
    )
    return Bucket(endpoint, "", client, process).fresh()


def _answers(endpoint: str) -> bool:
    try:
        return httpx.get(endpoint).status_code == 200
    except httpx.TransportError:
        return False


# ---- what networks do ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fault:
    """What happens to one request: it waits, is answered with a status of the proxy's own, its body or its answer is
    cut off in the middle, its answer comes byte by byte, or the answer has another ETag, such as that of a KMS. With
    `without`, it happens only to a request that lacks this header."""

    delay: float = 0.0
    status: int = 0
    code: str = "InternalError"
    cut_body: bool = False
    cut_answer: bool = False
    drips: bool = False
    etag: str = ""
    is_kms: bool = False
    without: str = ""


WELL = Fault()


@dataclass
class Proxy:
    """Before a bucket's server. `faults` happen to one request each, in order, then `always` to all; `method` says to
    which requests only. `seen` are the requests that came, such as `PUT /bucket/key`."""

    bucket: Bucket
    faults: list[Fault | None] = field(default_factory=list)
    always: Fault | None = None
    method: str = ""
    seen: list[str] = field(default_factory=list)
    endpoint: str = ""

    @property
    def url(self) -> str:
        """What STORAGE_URL is for the bucket by way of this proxy."""
        return self.address()

    def address(self, **options: str) -> str:
        return self.bucket.address(**{"endpoint": self.endpoint, **options})

    def turn_to(self, bucket: Bucket) -> None:
        """Stand before another bucket of the same server, and forget all that was."""
        self.bucket, self.faults, self.always, self.method, self.seen = bucket, [], None, "", []

    def fault_of(self, method: str, headers: Mapping[str, str]) -> Fault:
        if self.method not in ("", method):
            return WELL
        fault = (self.faults.pop(0) if self.faults else self.always) or WELL
        return WELL if fault.without in headers else fault


@contextmanager
def proxy(bucket: Bucket) -> Iterator[Proxy]:
    """While this lasts, a proxy before the bucket's server."""
    made = Proxy(bucket)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": made}))
    made.endpoint = f"http://127.0.0.1:{server.server_port}"
    server.daemon_threads, server.block_on_close = True, False
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    proxy: Proxy

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except OSError:  # who asked is gone
            self.close_connection = True

    def relay(self) -> None:
        fault = self.proxy.fault_of(self.command, self.headers)
        self.proxy.seen.append(f"{self.command} {self.path.partition('?')[0]}")
        if fault.cut_body:
            self.rfile.read(int(self.headers["Content-Length"]) // 2)
            self.cut()
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        time.sleep(fault.delay)
        if fault.status:
            text = f"<Error><Code>{fault.code}</Code><Message>Said by the proxy</Message></Error>"
            self.answer(fault.status, [("Content-Type", "application/xml")], text.encode())
        else:
            self.forward(body, fault)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = relay  # noqa: N815

    def forward(self, body: bytes, fault: Fault) -> None:
        before = http.client.HTTPConnection(urlsplit(self.proxy.bucket.endpoint).netloc, timeout=30)
        before.request(self.command, self.path, body, dict(self.headers))
        got = before.getresponse()
        data, headers = got.read(), dict(got.getheaders())
        before.close()
        if fault.etag and "ETag" in headers:
            headers["ETag"] = f'"{fault.etag}"'
        if fault.is_kms:
            headers["x-amz-server-side-encryption"] = "aws:kms"
        kept = [(name, value) for name, value in headers.items() if name not in ("Connection", "Transfer-Encoding")]
        self.answer(got.status, kept, data, fault)

    def answer(self, status: int, headers: list[tuple[str, str]], data: bytes, fault: Fault = WELL) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() != "content-length":
                self.send_header(name, value)
        length = dict(headers).get("Content-Length") if self.command == "HEAD" else None
        self.send_header("Content-Length", length or str(len(data)))
        self.end_headers()
        if fault.drips:
            for byte in data:
                self.wfile.write(bytes([byte]))
                time.sleep(0.02)
        self.wfile.write(data[: len(data) // 2] if fault.cut_answer else data)
        if fault.cut_answer:
            self.cut()

    def cut(self) -> None:
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: Any) -> None:
        pass
