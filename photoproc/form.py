"""A large form with files: parsed while it comes, where Django would write it to the disk first and parse it then."""

from collections.abc import Awaitable, Callable, MutableMapping
from io import BytesIO
from threading import BoundedSemaphore
from typing import Any

from asgiref.sync import async_to_sync, sync_to_async
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.http import HttpRequest, QueryDict
from django.http.response import HttpResponseBase
from django.utils.datastructures import MultiValueDict

from processing.errors import PhotoError
from processing.intake import arriving

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

PLACE = "photoproc.form"  # in the scope
AT_ONCE = 512 * 1024  # bytes that are taken from the socket before the parser gets them
PLACES = BoundedSemaphore(64)  # for forms that come, as each holds a thread


class Request(ASGIRequest):
    """Django's, with the fields and files that are here already."""

    def __init__(self, scope: Message, body_file: BytesIO) -> None:
        super().__init__(scope, body_file)
        if PLACE in scope:
            self._post, self._files = scope[PLACE]


class Handler(ASGIHandler):
    """Django's, with all middleware in the one thread of its request: each that Django runs beside the loop costs two
    changes of threads, which were two thirds of the processor's time under load."""

    request_class = Request

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware()

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        return await sync_to_async(self.get_response)(request)


def is_here(request: ASGIRequest) -> bool:
    """Whether this request brings such a form."""
    return bool(request.method == "POST" and request.content_type == "multipart/form-data")


class Form:
    """Reads in the thread of its request, and takes no more from the socket than it has read: who sends faster waits.
    No connection to the database is held meanwhile."""

    def __init__(self, request: ASGIRequest, receive: Receive) -> None:
        self._request, self._receive, self._fetch = request, receive, async_to_sync(self._more)
        self._bytes, self._comes_more, self._is_told = BytesIO(), True, False

    async def parsed(self) -> tuple[QueryDict, "MultiValueDict[str, Any]"]:
        """Its fields and files. Raises PhotoError `server_busy`, `storage_full`, `scratch_full`; RequestAborted, and
        what Django raises of a form that it cannot read."""
        if not PLACES.acquire(blocking=False):
            raise PhotoError("server_busy")
        try:
            return await sync_to_async(self._request.parse_file_upload)(self._request.META, self)  # type: ignore[arg-type]
        finally:
            PLACES.release()

    def read(self, size: int) -> bytes:
        """So many bytes at most; none at the end."""
        data = self._bytes.read(size)
        if not data and self._comes_more:
            self._bytes = BytesIO(self._fetch())
            data = self._bytes.read(size)
        return data

    async def _more(self) -> bytes:
        """What comes next; empty at the end alone."""
        got = bytearray()
        while self._comes_more and len(got) < AT_ONCE:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise RequestAborted
            got += message.get("body", b"")
            self._comes_more = message.get("more_body", False)
        return bytes(got)

    async def receive(self) -> Message:
        """For the application behind: the body has ended."""
        if self._is_told:
            return await self._receive()
        self._is_told = True
        return {"type": "http.request", "body": b"", "more_body": False}

    def close(self) -> None:
        """What storage did not take over goes."""
        for handler in self._request.upload_handlers:
            if isinstance(handler, arriving.Handler):
                handler.close()
