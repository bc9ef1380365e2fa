"""A real HTTP server on this machine: it keeps what it is sent and answers as it is told."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HANG_UP, SILENCE, ENDLESS = "hang up", "silence", "endless"


@dataclass(frozen=True)
class Sent:
    path: str
    headers: Message
    body: bytes


@dataclass
class Receiver:
    """`answers` are given one after the other, the last one again: a status, HANG_UP, …"""

    port: int = 0
    host: str = "localhost"
    answers: list[int | str] = field(default_factory=lambda: [200])
    headers: dict[str, str] = field(default_factory=dict)  # of its answers
    body: bytes = b"ok"
    got: list[Sent] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/told"

    @property
    def allow(self) -> frozenset[tuple[str, int]]:
        return frozenset({(self.host, self.port)})


@contextmanager
def listening(context: ssl.SSLContext | None = None, port: int = 0) -> Iterator[Receiver]:
    """On this or a free port of 127.0.0.1; with a TLS context it speaks https."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # so that connections could be kept

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            receiver.got.append(Sent(self.path, self.headers, body))
            answer = receiver.answers.pop(0) if len(receiver.answers) > 1 else receiver.answers[0]
            if answer == SILENCE:
                receiver.done.wait()
            if answer in (SILENCE, HANG_UP):
                self.close_connection = True
                return
            self.send_response(200 if answer == ENDLESS else int(answer))
            length = "1000000000" if answer == ENDLESS else str(len(receiver.body))
            for name, value in {"content-length": length, **receiver.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(OSError):  # the other side had enough
                self.wfile.write(receiver.body)
                while answer == ENDLESS:
                    self.wfile.write(bytes(65536))

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    receiver.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield receiver
    finally:
        receiver.done.set()
        server.shutdown()
        thread.join()
        server.server_close()
