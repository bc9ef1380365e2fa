"""What script/supervise.py asks of the place it runs in: is it free, and does what was started answer?"""

import fcntl
import http.client
import socket
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit


class StartError(Exception):
    """One sentence that says what is wrong and what to do."""


def lock(data: Path) -> TextIO:
    """Held as long as the file stays open: one supervisor per data folder."""
    file = (data / "server.lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StartError(
            f"photoproc already runs on {data}: stop that one, or set PHOTO_DATA_DIR to another folder."
        ) from None
    return file


def check_port(host: str, port: int) -> None:
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, OverflowError) as error:
        raise StartError(
            f"photoproc cannot listen on {host}, port {port} ({error}): set HOST or PORT to another one."
        ) from None


def redis_answers(at: Path) -> bool:
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            connection.connect(str(at))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False


def web_is_ready(host: str, port: int, url: str) -> bool:
    return _is_ok(host, port, url, "/ready")


def web_is_alive(host: str, port: int, url: str) -> bool:
    """Also where it is not ready, as something that it needs does not answer."""
    return _is_ok(host, port, url, "/health")


def _is_ok(host: str, port: int, url: str, path: str) -> bool:
    """Asks as the proxy in front would: under the public name and scheme, which the settings check."""
    public = urlsplit(url)
    to = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    connection = http.client.HTTPConnection(to, port, timeout=2)
    try:
        connection.request("GET", path, headers={"Host": public.netloc, "X-Forwarded-Proto": public.scheme})
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
