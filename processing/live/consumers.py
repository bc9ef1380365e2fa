"""A watched job: the socket sends what changed, at once, then at most five times a second.

A nudge only says "look again"; the socket also looks by itself, so a lost nudge delays by a second and a half.
"""

import asyncio
import time
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

from channels.auth import get_user
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import DatabaseError
from django.http import Http404
from django.template.loader import render_to_string

from processing import access, announce, watch
from processing.models import Status

PAUSE = 0.2  # seconds between two messages
LOOK = 1.5  # seconds after which it looks without a nudge
PLACES = 5.0  # seconds between two looks at the place in line
CHECK = 5.0  # seconds between two looks at whether the person may still see it
SIGNED_OUT, GONE = 4401, 4404
PLACES_AT_ONCE = 100


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
        self.shown: object = None
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
        """Whatever is said is answered by a look, after a check that it may still be seen."""
        self.checked_at = 0.0
        self.dirty.set()

    @database_sync_to_async
    def open(self, asked: dict[str, str]) -> watch.View:
        job = access.job(self.scope["user"], self.scope["url_route"]["kwargs"]["pk"])
        state = asked.get("state", "")
        loaded, photo = asked.get("loaded", ""), asked.get("photo", "")
        return watch.View(
            job,
            state if state in Status.values else "",
            min(int(loaded), 10_000) if loaded.isdecimal() else watch.FIRST_PAGE,
            int(photo) if photo.isdecimal() and len(photo) < 19 else None,
        )

    async def follow(self) -> None:
        self.checked_at = self.placed_at = time.monotonic()
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.dirty.wait(), LOOK)
            self.dirty.clear()
            try:
                if not await self.signed_in():
                    await self.close(SIGNED_OUT)
                    return
                html = await self.look()
            except Http404:
                await self.close(GONE)
                return
            except DatabaseError:
                await asyncio.sleep(1)
                continue
            if html:
                await self.send(text_data=html)
                await asyncio.sleep(PAUSE)

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
        self.view = replace(self.view, job=access.job(self.scope["user"], self.view.job.pk))
        found, places = watch.changes(self.view, self.since), self.places()
        fresh = [card for card in found.cards if self.sent.get(card.id) != card.upload.changed_at]
        shown = (
            found.progress.counts,
            found.progress.left,
            found.progress.is_open,
            found.photo and found.photo.changes,
        )
        if self.since and not fresh and not places and shown == self.shown:
            self.since = found.until
            return ""
        self.since, self.shown = found.until, shown
        self.forget_before(found.until - 2 * watch.OVERLAP)
        self.sent |= {card.id: card.upload.changed_at for card in fresh}
        more = {"cards": fresh, "places": places, "user": self.scope["user"]}
        return render_to_string("jobs/_changes.html", watch.fragments(found) | more)

    def forget_before(self, horizon: datetime) -> None:
        self.sent = {pk: at for pk, at in self.sent.items() if at > horizon}

    def places(self) -> list[watch.Card]:
        """Every few seconds, the place in line of the first that wait."""
        if self.view.photo or time.monotonic() - self.placed_at < PLACES:
            return []
        self.placed_at = time.monotonic()
        waiting = watch.photos(self.view.job, self.view.state).filter(status=Status.QUEUED)[:PLACES_AT_ONCE]
        return watch.cards(waiting, self.view.job)
