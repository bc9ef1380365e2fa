"""Signed addresses of results, which work without signing in.

Output links are those of a product CSV: they work until they are revoked. Others work for an hour, or, where they lead
straight into a bucket, for as long as its addresses do.
"""

from dataclasses import replace
from datetime import timedelta
from functools import cache
from urllib.parse import quote

from django.conf import settings
from django.core.signing import BadSignature, Signer, TimestampSigner
from django.db import transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from processing import storage
from processing.delivery import photo
from processing.models import Job, OutputLinks, Upload, Variant
from processing.recipe import addition

HOUR = 3600


def _signer() -> Signer:
    return Signer(salt="processing.delivery.links", sep=".")


def _hourly() -> TimestampSigner:
    return TimestampSigner(salt="processing.delivery.links.hourly", sep=".")


def is_active() -> Q:
    """Of OutputLinks: neither revoked nor expired."""
    return Q(revoked_at=None) & (Q(expires_at=None) | Q(expires_at__gt=timezone.now()))


def of(job: Job) -> OutputLinks | None:
    """The job's active links."""
    return job.output_links.filter(is_active()).order_by("-pk").first()


def make(job: Job) -> OutputLinks:
    """The job's active links; new ones where there are none."""
    days = settings.LINK_DAYS
    expires_at = timezone.now() + timedelta(days=days) if days else None
    return of(job) or OutputLinks.objects.create(job=job, expires_at=expires_at)


def revoke(links: OutputLinks) -> bool:
    """Their addresses stop working; False where they were revoked before."""
    return bool(OutputLinks.objects.filter(pk=links.pk, revoked_at=None).update(revoked_at=timezone.now()))


@transaction.atomic
def renew(job: Job) -> OutputLinks:
    """New links in place of the job's active ones."""
    revoke_all(job)
    return make(job)


def revoke_all(job: Job) -> None:
    """None of the job's addresses work any more."""
    job.output_links.filter(revoked_at=None).update(revoked_at=timezone.now())


def address(links: OutputLinks, upload: int, name: str, variant: str, format: str) -> str:
    """Where anybody finds a result (`variant` is `result`, `result-2`, …) of the photo `name`.

    It has no comma in it, and nothing else that would part it from others in a cell.
    """
    return _at(_signer().sign(f"{links.pk}-{upload}-{_number(variant)}"), name, variant, format)


def for_a_while(upload: Upload, result: Variant) -> str:
    """Where anybody finds the result, in the bucket or within the hour with us."""
    file = photo.of_variant(upload, result)
    there = photo.address(replace(file, filename=_named(file.filename)))
    return there or _at(_hourly().sign(str(upload.pk)), upload.name, result.name, result.format)


def _at(code: str, name: str, variant: str, format: str) -> str:
    file = _named(photo.file_name(name, format, addition(variant)))
    return f"{settings.URL}{_place()}{code}/{quote(file, safe='')}"


def opened(code: str) -> photo.Download | None:
    """The file that an address leads to; None where the code is not ours or holds no more.

    Raises PhotoError `no_longer_kept`, `storage_unavailable`.
    """
    upload, variant = _until_revoked(code) or _within_the_hour(code) or (None, "")
    file = photo.download(upload, variant) if upload else None
    return replace(file, filename=_named(file.filename)) if file and storage.holds(file.key) else None


def _until_revoked(code: str) -> tuple[Upload | None, str] | None:
    try:
        links, upload, number = _signer().unsign(code).split("-")
    except BadSignature:
        return None
    active = OutputLinks.objects.filter(is_active(), pk=links)
    found = Upload.objects.filter(pk=upload, job__deleted_at=None, job__output_links__in=active).first()
    return found, _variant(int(number))


def _within_the_hour(code: str) -> tuple[Upload | None, str] | None:
    try:
        upload = _hourly().unsign(code, max_age=HOUR)
    except BadSignature:
        return None
    return Upload.objects.filter(pk=upload, job__deleted_at=None).first(), "result"


def behind(address: str) -> OutputLinks | None:
    """The links with which this address was made, whether they work or not; None where it is none of ours."""
    code = address.removeprefix(f"{settings.URL}{_place()}").partition("/")[0]
    try:
        links = _signer().unsign(code).partition("-")[0]
    except BadSignature:
        return None
    return OutputLinks.objects.select_related("job").filter(pk=links, job__deleted_at=None).first()


@cache
def _place() -> str:
    """What comes before code and name. (To reverse each address takes as long as all the rest of an export.)"""
    return reverse("output", args=["code", "name"]).removesuffix("code/name")


def _number(variant: str) -> int:
    """1 of result, 2 of result-2."""
    return int(variant.partition("-")[2] or 1)


def _variant(number: int) -> str:
    return "result" if number == 1 else f"result-{number}"


def _named(name: str) -> str:
    return f"processed_{name}"
