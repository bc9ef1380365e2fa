"""A web server of good photos and of every way in which a server can misbehave; it counts who asks, and how.

`python -m tests.misbehaving` runs it until Ctrl-C and says its addresses.
"""

import asyncio
import gzip
import re
import socket
import ssl
import tempfile
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests import certificate
from tests.pictures import picture

PAGE = b"<!doctype html><html><title>Gone</title><p>This photo is not here any more.</html>"
PHOTO = picture(quality=100)
LEADS = "302 Found"

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


def said(status: str, body: bytes = b"", *headers: str, length: int | None = None) -> Answer:
    """An answer as it should be, but for what is asked for."""

    async def answer(out: asyncio.StreamWriter) -> None:
        size = len(body) if length is None else length
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {size}", "Connection: close", *headers]
        out.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        await out.drain()

    return answer


def jpeg(body: bytes, *headers: str, length: int | None = None) -> Answer:
    return said("200 OK", body, "Content-Type: image/jpeg", *headers, length=length)


async def endless(out: asyncio.StreamWriter) -> None:
    out.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n" + PHOTO)
    while True:
        out.write(bytes(65536))
        await out.drain()


def dripping(head: bytes, body: bytes) -> Answer:
    """The head at once, then one byte a second."""

    async def answer(out: asyncio.StreamWriter) -> None:
        out.write(head)
        for byte in body:
            out.write(bytes([byte]))
            await out.drain()
            await asyncio.sleep(1)

    return answer


async def silent(out: asyncio.StreamWriter) -> None:
    await asyncio.sleep(3600)


async def garbage(out: asyncio.StreamWriter) -> None:
    out.write(b"220 mail.example.com ESMTP\r\n")
    await out.drain()


async def nothing(out: asyncio.StreamWriter) -> None:
    """It hangs up without a word."""


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: 100000\r\n"
WAYS: dict[str, Answer] = {
    "/missing.jpg": said("404 Not Found", PAGE),
    "/forbidden.jpg": said("403 Forbidden", PAGE),
    "/signed-out.jpg": said("401 Unauthorized", PAGE),
    "/broken.jpg": said("500 Internal Server Error", PAGE),
    "/busy.jpg": said("429 Too Many Requests", b"", "Retry-After: 120"),
    "/page.jpg": jpeg(PAGE),
    "/empty.jpg": jpeg(b""),
    "/damaged.jpg": jpeg(PHOTO[:40]),
    "/endless.jpg": endless,
    "/drip.jpg": dripping(HEAD + b"\r\n", PHOTO),
    "/drip-headers.jpg": dripping(b"", HEAD),
    "/silent.jpg": silent,
    "/garbage.jpg": garbage,
    "/hang-up.jpg": nothing,
    "/loop.jpg": said(LEADS, b"", "Location: /loop.jpg"),
    "/moved.jpg": said(LEADS, b"", "Location: /photos/1.jpg"),
    "/private.jpg": said(LEADS, b"", "Location: http://10.0.0.1/photo.jpg"),
    "/metadata.jpg": said(LEADS, b"", "Location: http://169.254.169.254/latest/meta-data/"),
    "/file.jpg": said(LEADS, b"", "Location: file:///etc/passwd"),
    "/data.jpg": said(LEADS, b"", "Location: data:image/png;base64,AAAA"),
    "/nowhere.jpg": said(LEADS),
    "/huge.jpg": jpeg(PHOTO, length=3_000_000_000),
    "/cut.jpg": jpeg(PHOTO[:-100], length=len(PHOTO)),
    "/longer.jpg": jpeg(PHOTO, length=len(PHOTO) - 100),  # more comes than was said
    "/bomb.jpg": jpeg(gzip.compress(bytes(5_000_000)), "Content-Encoding: gzip"),
}


class Misbehaving:
    """Runs in a thread of its own, on a port that was free, on 127.0.0.1; `delay` is what a good photo takes, in s."""

    def __init__(self, delay: float = 0.0) -> None:
        self.delay = delay
        self.requests: Counter[str] = Counter()  # by path
        self.heads: dict[str, str] = {}  # path → what was asked last
        self.at_work: Counter[str] = Counter()  # by host, as it was asked for
        self.most: Counter[str] = Counter()  # the most at once, by host
        self.most_in_all = 0
        self.order: list[str] = []  # the paths as they came
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._ready.wait(10)

    def address(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    @property
    def secure(self) -> str:
        """HTTPS, with a certificate that nobody signed."""
        return f"https://127.0.0.1:{self.secure_port}/photos/1.jpg"

    @property
    def refused(self) -> str:
        """Nobody listens there."""
        return f"http://127.0.0.1:{self.closed_port}/photo.jpg"

    @property
    def filtered(self) -> str:
        """Nobody says anything there, as behind a firewall."""
        return f"http://127.0.0.1:{self.filtered_port}/photo.jpg"

    @property
    def allow(self) -> frozenset[tuple[str, int]]:
        """What FETCH_ALLOW must hold for all of it."""
        ports = (self.port, self.secure_port, self.closed_port, self.filtered_port)
        return frozenset((host, port) for host in ("127.0.0.1", "localhost") for port in ports)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._stopping = asyncio.Event()
        plain = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        secure = await asyncio.start_server(self._answer, "127.0.0.1", 0, ssl=self_signed())
        self.port, self.secure_port = (server.sockets[0].getsockname()[1] for server in (plain, secure))
        with socket.socket() as closed, socket.socket() as full, socket.socket() as one, socket.socket() as two:
            closed.bind(("127.0.0.1", 0))  # so that nobody else gets it; it does not listen
            full.bind(("127.0.0.1", 0))
            full.listen(0)  # what knocks after these two is not heard
            self.closed_port, self.filtered_port = (place.getsockname()[1] for place in (closed, full))
            for knocking in (one, two):
                knocking.setblocking(False)
                knocking.connect_ex(("127.0.0.1", self.filtered_port))
            self._ready.set()
            await self._stopping.wait()
        for server in (plain, secure):
            server.close()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def _answer(self, come: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        host = ""
        try:
            head = (await come.readuntil(b"\r\n\r\n")).decode("latin-1")
            path, host = head.split()[1], head.lower().split("host: ")[1].split("\r\n")[0]
            self._note(path, host, head)
            await self._way(path)(out)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the other side had enough
        finally:
            self.at_work[host] -= 1
            out.close()

    def _note(self, path: str, host: str, head: str) -> None:
        self.requests[path] += 1
        self.heads[path] = head
        self.order.append(path)
        self.at_work[host] += 1
        self.most[host] = max(self.most[host], self.at_work[host])
        self.most_in_all = max(self.most_in_all, self.at_work.total())

    def _way(self, path: str) -> Answer:
        """/photos/7.jpg is always the same photo, /same/7.jpg the same as every other /same/."""
        if found := re.fullmatch(r"/photos/(\d+)\.jpg", path):
            return self._late(jpeg(picture(80 + int(found[1]), quality=100)))
        if path.startswith("/same/"):
            return self._late(jpeg(PHOTO))
        if path == "/to-busy.jpg":
            return said(LEADS, b"", f"Location: {self.address('/busy.jpg')}")
        return WAYS.get(path, said("404 Not Found", PAGE))

    def _late(self, answer: Answer) -> Answer:
        async def late(out: asyncio.StreamWriter) -> None:
            await asyncio.sleep(self.delay)
            await answer(out)

        return late


def self_signed() -> ssl.SSLContext:
    with tempfile.TemporaryDirectory() as folder:
        return certificate.serving(certificate.make(Path(folder), "misbehaving.example.com"))


def main() -> None:
    server = Misbehaving()
    lines = [server.address(path) for path in ("/photos/1.jpg", "/same/1.jpg", *WAYS)]
    print(*lines, server.secure, server.refused, server.filtered, sep="\n", flush=True)  # noqa: T201
    print("PHOTO_FETCH_ALLOW=" + " ".join(f"{host}:{port}" for host, port in sorted(server.allow)), flush=True)  # noqa: T201
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        server.stop()


if __name__ == "__main__":
    main()
