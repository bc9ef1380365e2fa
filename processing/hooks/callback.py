"""An address that is told once that one job has ended. A job that is retried after that is not told again."""

from django.conf import settings
from django.db import transaction

from processing import guard, outbox
from processing.errors import PhotoError
from processing.models import Callback, Job


def expect(job: Job, url: str, shape: Callback.Shape = Callback.Shape.EVENT) -> None:
    """This address is to be told when the job has ended, at once where it has; none where it is empty. Another one than
    before, or one that was given up, is told anew.

    Raises PhotoError (`guard.check`), and `not_permitted` for a job of a narrow token: whoever sees a page has one, and
    what is sent would be signed with its owner's secret.
    """
    if not url.strip():
        Callback.objects.filter(job=job).delete()
        return
    if job.token and job.token.is_narrow:
        raise PhotoError("not_permitted", reason="A job that a narrow token made has no callback")
    values = {"url": guard.check(url, settings.FETCH_ALLOW).url, "shape": shape}
    with transaction.atomic():
        given_up = {"deliveries__given_up_at__isnull": False}
        if not Callback.objects.filter(job=job, **values).exclude(**given_up).exists():
            Callback.objects.filter(job=job).delete()
            Callback.objects.get_or_create(job=job, defaults=values)
        outbox.ended_before(outbox.hold(job.pk))
