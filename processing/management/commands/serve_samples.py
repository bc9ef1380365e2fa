"""manage.py serve_samples: a few photos at addresses of this machine, to try a product CSV with."""

import mimetypes
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from django.core.management.base import BaseCommand, CommandError, CommandParser

from processing.errors import PhotoError
from processing.intake.photos import sample_folder

NAMES = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg")
INDEX = "<!doctype html><title>Sample photos</title>" + "".join(f'<p><a href="/{name}">{name}</a>' for name in NAMES)


class Command(BaseCommand):
    help = "Serve sample photos on this machine alone, such as http://localhost:8001/coffee.png, until Ctrl-C."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8001, help="default: 8001")

    def handle(self, *args: Any, port: int, **options: Any) -> None:
        try:
            server = serve(port)
        except PhotoError:
            raise CommandError("The sample photos are not there: run script/setup.") from None
        except (OSError, OverflowError) as error:
            raise CommandError(f"Port {port} cannot be had ({error}): name another with --port.") from None
        port = server.server_port
        self.stdout.write("".join(f"http://localhost:{port}/{name}\n" for name in NAMES), ending="")
        self.stdout.write(f"So that the server may fetch them, start it with PHOTO_FETCH_ALLOW=localhost:{port}")
        with server:
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                self.stdout.write("Stopped.")


def serve(port: int) -> ThreadingHTTPServer:
    """A server on 127.0.0.1; 0 takes any free port. Raises OSError, PhotoError `missing_source`."""
    folder = sample_folder()
    pages = {f"/{name}": (mimetypes.guess_type(name)[0] or "", (folder / name).read_bytes()) for name in NAMES}
    pages["/"] = ("text/html; charset=utf-8", INDEX.encode())
    return ThreadingHTTPServer(("127.0.0.1", port), partial(_Handler, pages))


class _Handler(BaseHTTPRequestHandler):
    """Answers with what is in `pages` (type and content by path) and with nothing else: it opens no file."""

    def __init__(self, pages: dict[str, tuple[str, bytes]], *args: Any) -> None:
        self.pages = pages
        super().__init__(*args)

    def do_GET(self) -> None:
        kind, content = self.pages.get(urlsplit(self.path).path, ("", b""))
        if not kind:
            return self.send_error(HTTPStatus.NOT_FOUND)
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)
        return None

    do_HEAD = do_GET  # noqa: N815
