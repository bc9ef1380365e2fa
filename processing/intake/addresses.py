"""The door for photos that lie somewhere else, at addresses or in the bucket: each is judged at once, and brought later
on the `io` worker."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from processing import guard
from processing.errors import PhotoError
from processing.intake import limits, photos, posted, receipts, row_photos
from processing.intake.answer import Answer, Elsewhere, Refused
from processing.intake.names import plain
from processing.models import Job, Token, Upload
from processing.recipe import Recipe


def accept(user: User, urls: Sequence[str], recipe: Recipe, **how: Any) -> Answer:
    """Make a job of the photos at these addresses, in all else as `photos.accept` does of files.

    An address that comes twice counts once.
    """
    return _accept(user, partial(_at, urls), recipe, **how)


def accept_keys(user: User, keys: Sequence[str], recipe: Recipe, *, token: Token | None = None, **how: Any) -> Answer:
    """The same of the photos under these keys (`posted.at`). With a narrow token none is imported, as whoever sees the
    page that it lies in would see what is there.

    Raises PhotoError `invalid_s3_key` too, where another request uses the same key at the same time.
    """
    imports = not (token and token.is_narrow)
    return _accept(user, partial(posted.at, user, keys, imports=imports), recipe, token=token, **how)


def add(job: Job, urls: Sequence[str], **how: str) -> Answer:
    """Put the photos at these addresses into an open job; what it has already is not fetched again.

    Raises PhotoError as `photos.add` does.
    """
    return _add(job, partial(_at, urls), **how)


def add_keys(job: Job, user: User, keys: Sequence[str], *, token: Token | None = None, **how: str) -> Answer:
    """The same of the photos under these keys, as `accept_keys` does. In a job of somebody else no key will do but what
    is imported: what a person sent is for that person's jobs."""
    owner, imports = job.owner if job.owner_id == user.pk else None, not (token and token.is_narrow)
    return _add(job, partial(posted.at, owner, keys, imports=imports), **how)


def _accept(
    user: User, look: Callable[[], Elsewhere], recipe: Recipe, *, name: str = "", open: bool = False, key: str = "",
    token: Token | None = None, callback_url: str = "", fingerprint: str = "",
) -> Answer:  # fmt: skip
    photos.check(user.pk, recipe)

    def work(keep: receipts.Keep) -> Answer:
        found = look()
        if not found.names and not open:
            return photos.nothing(found.refused, keep)
        title = plain(name).strip() or photos.title_of(found.names[:1] if open else found.names)
        with photos.hidden_job(user, title, recipe, is_open=open, token=token) as job, transaction.atomic():
            rows = Job.objects.filter(pk=job.pk)
            return photos.written(rows, found.make, found.refused, keep, callback_url, size=found.size)

    return receipts.once(user, key, work, fingerprint)


def _add(job: Job, look: Callable[[], Elsewhere], *, key: str = "", fingerprint: str = "") -> Answer:
    def work(keep: receipts.Keep) -> Answer:
        rows = photos.takes_more(job)
        found = look()
        with transaction.atomic():
            return photos.written(rows, found.make, found.refused, keep, size=found.size)

    return receipts.once(job.owner, key, work, fingerprint)


def _at(urls: Sequence[str]) -> Elsewhere:
    """Those that may be fetched, in the guard's spelling, and those that may not and why."""
    found: dict[str, None] = {}
    refused: list[Refused] = []
    for url in dict.fromkeys(urls):
        try:
            judged = guard.check(url, settings.FETCH_ALLOW).url
            limits.check_count(len(found) - (judged in found))
            found[judged] = None
        except PhotoError as error:
            refused.append(Refused.because(plain(url), error))
    return Elsewhere([row_photos.name_in(url) for url in found], partial(_new, list(found)), refused)


def _new(urls: Sequence[str], job: Job) -> list[Upload]:
    made = row_photos.Photos(job)
    made.read()
    return made.new(urls)
