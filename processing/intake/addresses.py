"""The door for photos that lie somewhere else: each address is judged at once, and fetched later on the `io` worker."""

from collections.abc import Sequence
from functools import partial

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from processing import guard
from processing.errors import PhotoError
from processing.intake import limits, photos, receipts, row_photos
from processing.intake.answer import Answer, Refused
from processing.intake.names import plain
from processing.models import Job, Token, Upload
from processing.recipe import Recipe


def accept(
    user: User, urls: Sequence[str], recipe: Recipe, *, name: str = "", open: bool = False, key: str = "",
    token: Token | None = None, callback_url: str = "", fingerprint: str = "",
) -> Answer:  # fmt: skip
    """Make a job of the photos at these addresses, in all else as `photos.accept` does of files.

    An address that comes twice counts once.
    """
    photos.check(user.pk, recipe)

    def work(keep: receipts.Keep) -> Answer:
        found, refused = _judged(urls)
        if not found and not open:
            return photos.nothing(refused, keep)
        names = [row_photos.name_in(url) for url in found]
        title = plain(name).strip() or photos.title_of(names[:1] if open else names)
        with photos.hidden_job(user, title, recipe, is_open=open, token=token) as job, transaction.atomic():
            rows = Job.objects.filter(pk=job.pk)
            return photos.written(rows, partial(_new, found), refused, keep, callback_url)

    return receipts.once(user, key, work, fingerprint)


def add(job: Job, urls: Sequence[str], *, key: str = "", fingerprint: str = "") -> Answer:
    """Put the photos at these addresses into an open job; what it has already is not fetched again.

    Raises PhotoError as `photos.add` does.
    """

    def work(keep: receipts.Keep) -> Answer:
        rows = photos.takes_more(job)
        found, refused = _judged(urls)
        with transaction.atomic():
            return photos.written(rows, partial(_new, found), refused, keep)

    return receipts.once(job.owner, key, work, fingerprint)


def accept_keys(keys: Sequence[str]) -> Answer:
    """No bucket is set up in this house: every key is refused."""
    error = PhotoError("invalid_s3_key")
    return Answer.of(None, 0, [Refused.because(plain(key), error) for key in dict.fromkeys(keys)])


def _new(urls: Sequence[str], job: Job) -> list[Upload]:
    made = row_photos.Photos(job)
    made.read()
    return made.new(urls)


def _judged(urls: Sequence[str]) -> tuple[list[str], list[Refused]]:
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
    return list(found), refused
