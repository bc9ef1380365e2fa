"""Sockets for programs: JSON in the words of the systems that they were made for."""

import json
from datetime import datetime

from django.utils import timezone

from processing import access, announce, messages, watch
from processing.live.watcher import Backlog, Watcher
from processing.models import Upload


class JobSocket(Watcher):
    """photo_processor's: the message of a job, whenever it is another."""

    def open(self, asked: dict[str, str]) -> str:
        self.told: messages.Message | None = None
        self.job_id = access.job(self.who, self.scope["url_route"]["kwargs"]["pk"]).pk
        return announce.job_group(self.job_id)

    def look(self) -> list[str]:
        before, self.told = self.told, messages.job(access.job(self.who, self.job_id))
        return [] if self.told == before else [json.dumps(self.told)]


class ImagesSocket(Watcher):
    """image_queue's: how far each photo of the caller's is, then each step that one reaches.

    It begins with the photos that changed last, 10,000 at most, or with those that changed since the moment `since` of
    its address. Nobody nudges it: the photos are of many jobs.
    """

    def open(self, asked: dict[str, str]) -> str:
        self.since = watch.moment(asked.get("since", ""))
        self.backlog = Backlog()
        self.told: dict[int, list[str]] = {}  # of those that are under way
        return ""

    def look(self) -> list[str]:
        since, self.since = self.since, timezone.now()
        now = self.backlog.handful(self.fresh(since), since)
        if self.backlog.late:
            self.dirty.set()
        found = messages.images(Upload.objects.filter(pk__in=list(now), job__in=access.jobs(self.who)).order_by("pk"))
        return [message for image in found for message in self.news(image)]

    def fresh(self, since: datetime | None) -> dict[int, datetime]:
        rows = Upload.objects.filter(job__in=access.jobs(self.who)).order_by("-changed_at")
        rows = rows.filter(changed_at__gt=since - watch.OVERLAP) if since else rows[: watch.MOST_LOADED]
        return dict(rows.values_list("pk", "changed_at"))

    def news(self, image: messages.Message) -> list[str]:
        """What it reached since it was told; of one not seen before, how far it is."""
        pk, reached = image["id"], messages.reached(image)
        new = [type for type in reached if type not in self.told[pk]] if pk in self.told else reached[-1:]
        if image["processing_status"] in (messages.COMPLETED, messages.FAILED):
            self.told.pop(pk, None)
        else:
            self.told[pk] = reached
        return [json.dumps({"type": type, "image_id": pk} | image) for type in new]
