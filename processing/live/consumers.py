"""A watched job: the socket sends what changed, at once, then at most five times a second.

A nudge only says "look again"; the socket also looks by itself, so a lost nudge delays by a second and a half.
"""

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Any
from urllib.parse import parse_qs

from channels.auth import get_user
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import DatabaseError
from django.db.models import Q
from django.http import Http404
from django.template.loader import render_to_string
from django.utils import timezone

from processing import access, announce, cards, product_rows, watch
from processing.models import Status

log = logging.getLogger(__name__)

PAUSE, LONGEST_PAUSE = 0.2, 1.0  # seconds between two messages
REST = 20  # times as long as it took to see how all rows stand (0.05 s where they are 10,000) is the pause after it
LOOK = 1.5  # seconds after which it looks without a nudge
PLACES = 1.5  # seconds between two looks at the place in line
CHECK = 5.0  # seconds between two looks at whether the person may still see it
SIGNED_OUT, GONE, BROKEN = 4401, 4404, 1011
AT_ONCE = 100  # cards in one message


class JobConsumer(AsyncWebsocketConsumer):
    view: watch.View
    since: datetime | None
    task: "asyncio.Task[None] | None" = None

    async def connect(self) -> None:
        asked = {name: values[0] for name, values in parse_qs(self.scope["query_string"].decode()).items()}
        try:
            self.view = await self.open(asked)
        except Http404:
            await self.close()  # before accepting: a stranger learns nothing
            return
        self.since = watch.moment(asked.get("since", ""))
        self.sent: dict[int, datetime] = {}
        self.late: dict[int, datetime] = {}  # photos that changed, still to be sent
        self.told: object = None
        self.standing: product_rows.Standing | None = None
        self.pause = PAUSE
        self.shown = self.view.shown
        self.dirty = asyncio.Event()
        self.dirty.set()
        await self.accept()
        await self.channel_layer.group_add(announce.job_group(self.view.job.pk), self.channel_name)
        self.task = asyncio.create_task(self.follow())

    async def disconnect(self, code: int) -> None:
        if self.task:
            self.task.cancel()
            await self.channel_layer.group_discard(announce.job_group(self.view.job.pk), self.channel_name)

    async def changed(self, event: dict[str, Any]) -> None:
        self.dirty.set()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Whatever is said is answered by a look, after a check that it may still be seen.

        A page that shows more rows than before says which it shows now.
        """
        self.shown = watch.ranges(text_data or "") or self.shown
        self.checked_at = 0.0
        self.dirty.set()

    @database_sync_to_async
    def open(self, asked: dict[str, str]) -> watch.View:
        job = access.job(self.scope["user"], self.scope["url_route"]["kwargs"]["pk"])
        return watch.view(job, asked)

    async def follow(self) -> None:
        """Look and send until it may no longer be seen. What goes wrong otherwise closes the socket: it comes again."""
        self.checked_at = self.placed_at = time.monotonic()
        code = BROKEN
        try:
            while await self.signed_in():
                html = await self.look()
                if html:
                    await self.send(text_data=html)
                await asyncio.sleep(self.pause)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.dirty.wait(), LOOK)
            code = SIGNED_OUT
        except Http404:
            code = GONE
        except DatabaseError as error:
            log.warning("job %s: a socket cannot look: %s", self.view.job.pk, error)
        except Exception:
            log.exception("job %s: a socket cannot look", self.view.job.pk)
        await self.close(code)

    async def signed_in(self) -> bool:
        """Is the session still there? Asked now and then, and whenever the page says something."""
        if time.monotonic() - self.checked_at < CHECK:
            return True
        self.checked_at = time.monotonic()
        self.scope["user"] = await get_user(self.scope)
        return bool(self.scope["user"].is_authenticated) and await self.session_exists()

    @database_sync_to_async
    def session_exists(self) -> bool:
        session = self.scope["session"]
        return bool(session.session_key and session.exists(session.session_key))

    @database_sync_to_async
    def look(self) -> str:
        """The fragments of what changed; empty when nothing did. Raises Http404 when it is theirs no more."""
        self.dirty.clear()
        self.view = replace(self.view, job=access.job(self.scope["user"], self.view.job.pk), shown=self.shown)
        found, places = self.changes(), self.places()
        if not found.cards and not places and found.whole == self.told:
            return ""
        self.told = found.whole
        more = {"places": places, "user": self.scope["user"]}
        return render_to_string(found.template, watch.fragments(found) | more)

    def changes(self) -> watch.Changes:
        """A handful of what changed; when much did, the rest follows with the next messages."""
        since, self.since = self.since, timezone.now()
        moved = self.stand()
        if since is None or self.view.photo:
            return watch.changes(self.view, since, None, self.standing)
        fresh = moved | watch.changed(self.view, since)
        self.late |= {pk: at for pk, at in fresh.items() if self.sent.get(pk) != at}
        self.sent = {pk: at for pk, at in self.sent.items() if at > since - 2 * watch.OVERLAP}
        now = dict(islice(self.late.items(), AT_ONCE))
        self.sent |= now
        self.late = {pk: at for pk, at in self.late.items() if pk not in now}
        if self.late:
            self.dirty.set()
        return watch.changes(self.view, since, now, self.standing)

    def stand(self) -> dict[int, datetime]:
        """How all rows stand now: the shown ones whose state is another, also where no photo tells of it."""
        if not self.view.by_row:
            return {}
        began, before = time.monotonic(), self.standing
        self.standing = product_rows.standing(self.view.job)
        self.pause = max(PAUSE, min(LONGEST_PAUSE, REST * (time.monotonic() - began)))
        states = self.standing.states.items() - (before or self.standing).states.items()
        return dict.fromkeys((pk for pk, _ in states if self.view.shows(pk)), timezone.now())

    def places(self) -> list[cards.Card]:
        """Every few seconds, the place in line of the first that wait, or the seconds until their next try."""
        if self.view.photo or self.view.by_row or time.monotonic() - self.placed_at < PLACES:
            return []
        self.placed_at = time.monotonic()
        waits = Q(status=Status.QUEUED) | Q(status=Status.NEW, not_before__isnull=False)
        waiting = watch.photos(self.view.job, self.view.state).filter(waits)[:AT_ONCE]
        return cards.of(waiting, self.view.job)
