"""What all sockets share: each sends how things stand, then what changed, at once, then at most five times a second,
and more seldom where many are open.

A nudge only says "look again"; the socket also looks by itself, so a lost nudge delays by a second and a half, and by
more where many are open.
"""

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any
from urllib.parse import parse_qs

import redis
from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import Error as DatabaseTrouble
from django.db import close_old_connections
from django.http import Http404

from processing import rates, watch
from processing.access import Person
from processing.errors import PhotoError
from processing.live import who
from processing.watch import OPEN

log = logging.getLogger(__name__)

PAUSE = 0.2  # seconds between two messages
LOOK = 1.5  # seconds after which it looks without a nudge, where few are open
LOOKS, NUDGED = 15, 150  # in a second at most, of all sockets: without a nudge, and with one; pages are to be made too
DOOR = ThreadPoolExecutor(4, "socket")  # for those that open: they wait neither for looks nor for pages
CHECK = 5.0  # seconds between two looks at whether the session or the token still holds
SIGNED_OUT, GONE, BROKEN, LATER = 4401, 4404, 1011, 1013
AT_ONCE = 100  # cards or photos in one go
MOST = 50  # open sockets of one person in this process


class Watcher(AsyncWebsocketConsumer):
    """A subclass says what is watched: `open` finds it and gives the group whose nudges count, `look` reads it anew.

    Both raise Http404 when it is not the caller's, and run in a thread. `who` is the caller.
    """

    pause = PAUSE
    group = ""
    who: Person
    whose: str
    task: "asyncio.Task[None] | None" = None

    def open(self, asked: dict[str, str]) -> str:
        """`asked` are the words of the address. An empty group means that it looks by itself alone."""
        raise NotImplementedError

    def look(self) -> list[str]:
        """The messages to send; none when nothing changed."""
        raise NotImplementedError

    async def connect(self) -> None:
        asked = parse_qs(self.scope["query_string"].decode("latin-1"))
        try:
            await self.enter({name: words[0] for name, words in asked.items()})
            self.take_place()
        except (Http404, PhotoError):
            await self.close()  # before accepting: a stranger learns nothing
            return
        self.dirty = asyncio.Event()
        await self.accept(who.subprotocol(self.scope))
        if self.group:
            with suppress(redis.RedisError, OSError):  # without Redis it looks by itself alone
                await self.channel_layer.group_add(self.group, self.channel_name)
        self.task = asyncio.create_task(self.follow())

    @partial(database_sync_to_async, thread_sensitive=False, executor=DOOR)
    def enter(self, asked: dict[str, str]) -> None:
        """Who is it, and what is watched? Asked in one go: where hundreds come at once, each go is a wait of its own.

        Raises Http404; PhotoError, `rate_limited` as well, since to open a socket is a request.
        """
        self.who = who.ask(self.scope)
        is_allowed, headers = rates.allowed(self.who, "")
        if not is_allowed:
            raise PhotoError("rate_limited", seconds=headers["Retry-After"])
        self.group = self.open(asked)

    def take_place(self) -> None:
        """Raises PhotoError `rate_limited` where the person has no place left."""
        self.whose = rates.whose(self.who)
        if sum(one.whose == self.whose for one in OPEN) >= MOST:
            raise PhotoError("rate_limited", seconds=CHECK)
        OPEN.add(self)

    async def disconnect(self, code: int) -> None:
        OPEN.discard(self)
        if self.task:
            self.task.cancel()
            await sync_to_async(close_old_connections)()
        if self.group:
            with suppress(redis.RedisError, OSError):
                await self.channel_layer.group_discard(self.group, self.channel_name)

    async def changed(self, event: dict[str, Any]) -> None:
        self.dirty.set()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Whatever is said is answered by a look, after a check that it may still be seen."""
        self.checked_at = 0.0
        self.dirty.set()

    async def follow(self) -> None:
        """Look and send until it may no longer be seen. What goes wrong otherwise closes the socket: it comes again."""
        self.checked_at = time.monotonic()
        code = BROKEN
        try:
            while True:
                self.dirty.clear()
                for message in await self.see():
                    await self.send(text_data=message)
                await asyncio.sleep(max(self.pause, len(OPEN) / NUDGED))
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.dirty.wait(), self.rest())
        except PhotoError:
            code = SIGNED_OUT
        except Http404:
            code = GONE
        except OSError:  # the reader left in the midst of a message
            return
        except DatabaseTrouble as error:
            code = LATER
            log.warning("%s: a socket cannot look: %s", self.scope["path"], error)
        except Exception:
            log.exception("%s: a socket cannot look", self.scope["path"])
        await self.close(code)

    def rest(self) -> float:
        """Seconds after which it looks without a nudge; LOOK where none ever comes."""
        return max(LOOK, len(OPEN) / LOOKS) if self.group else LOOK

    @sync_to_async
    def see(self) -> list[str]:
        """Look, after a check now and then, and whenever something was said, that the session or the token still holds.
        All sockets share a thread and so a connection to the database, which each check closes.

        Raises Http404, PhotoError.
        """
        if time.monotonic() - self.checked_at >= CHECK:
            self.checked_at = time.monotonic()
            close_old_connections()
            self.who = who.ask(self.scope)
        return self.look()


@dataclass
class Backlog:
    """What changed and is still to be sent, by id with the moment of its change, a handful at a time."""

    late: dict[int, datetime] = field(default_factory=dict)
    sent: dict[int, datetime] = field(default_factory=dict)

    def handful(self, fresh: dict[int, datetime], since: datetime | None) -> dict[int, datetime]:
        """The next ones, with the fresh ones put behind those that wait; `since` is when was looked before."""
        self.late |= {pk: at for pk, at in fresh.items() if self.sent.get(pk) != at}
        self.sent = {pk: at for pk, at in self.sent.items() if since is None or at > since - 2 * watch.OVERLAP}
        now = dict(islice(self.late.items(), AT_ONCE))
        self.sent |= now
        self.late = {pk: at for pk, at in self.late.items() if pk not in now}
        return now
