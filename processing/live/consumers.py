"""A watched job, for our pages: the fragments of what changed."""

import time
from dataclasses import replace
from datetime import datetime
from itertools import islice

from django.db.models import Q
from django.template.loader import render_to_string
from django.utils import timezone

from processing import access, announce, cards, product_rows, watch
from processing.live.watcher import AT_ONCE, PAUSE, Backlog, Watcher
from processing.models import Status

LONGEST_PAUSE = 1.0  # seconds
REST = 20  # times as long as it took to see how all rows stand (0.05 s where they are 10,000) is the pause after it
PLACES = 1.5  # seconds between two looks at the place in line


class JobConsumer(Watcher):
    view: watch.View
    since: datetime | None

    def open(self, asked: dict[str, str]) -> str:
        job = access.job(self.who, self.scope["url_route"]["kwargs"]["pk"])
        self.view = watch.view(job, asked)
        self.since = watch.moment(asked.get("since", ""))
        self.backlog = Backlog()
        self.told: object = None
        self.standing: product_rows.Standing | None = None
        self.shown = self.view.shown
        self.placed_at = time.monotonic()
        self.placed: dict[int, str] = {}
        return announce.job_group(job.pk)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """A page that shows other photos or rows than before says which it shows now."""
        self.shown = watch.ranges(text_data or "") or self.shown
        await super().receive(text_data, bytes_data)

    def look(self) -> list[str]:
        self.view = replace(self.view, job=access.job(self.who, self.view.job.pk), shown=self.shown)
        found = self.changes()
        self.placed |= {card.id: card.status for card in found.cards if isinstance(card, cards.Card)}
        places = self.places() if found.progress.active else []
        if not found.cards and not places and found.whole == self.told:
            return []
        self.told = found.whole
        more = {"places": places, "user": self.who, "may": access.acts(self.who, self.view.job.owner_id)}
        return [render_to_string(found.template, watch.fragments(found) | more)]

    def changes(self) -> watch.Changes:
        """A handful of what changed; when much did, the rest follows with the next messages."""
        since, self.since = self.since, timezone.now()
        moved = self.stand()
        if since is None or self.view.photo:
            return watch.changes(self.view, since, None, self.standing)
        now = self.backlog.handful(moved | watch.changed(self.view, since), since)
        if self.backlog.late:
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
        """Now and then, those of the first that wait whose place, or seconds until the next try, have changed."""
        if self.view.photo or self.view.by_row or time.monotonic() - self.placed_at < PLACES:
            return []
        self.placed_at = time.monotonic()
        if self.view.state not in ("", Status.QUEUED):
            return []
        waits = Q(status=Status.QUEUED) | Q(status=Status.NEW, not_before__isnull=False)
        waiting = self.view.job.uploads.filter(waits).order_by("position").values_list("pk", flat=True)
        shown = islice(filter(self.view.shows, waiting), AT_ONCE)
        found = cards.of(watch.photos(self.view.job).filter(pk__in=list(shown)), self.view.job)
        before, self.placed = self.placed, {card.id: card.status for card in found}
        return [card for card in found if before.get(card.id) != card.status]
