"""The settings of a house that lacks one of its protections: PHOTO_CHAOS_WITHOUT names it.

Each experiment that a protection is for must be seen to fail without it: else the check sees nothing.
"""

import os
from typing import Any

from django.apps import AppConfig

from photoproc import settings

globals().update({name: value for name, value in vars(settings).items() if name.isupper()})
INSTALLED_APPS = [*settings.INSTALLED_APPS, "tests.chaos.unprotected.Unprotected"]


class Unprotected(AppConfig):
    name = "tests.chaos"

    def ready(self) -> None:
        {"claims": no_claims, "sweep": no_sweep, "outbox": no_outbox}[os.environ["PHOTO_CHAOS_WITHOUT"]]()


def no_claims() -> None:
    """Whoever is told of a photo works on it, and whoever has worked on it ends it."""
    from processing.ledger import attempt, rows
    from processing.models import Upload

    take = attempt.take

    def anybody(upload_id: int) -> Any:
        return Upload.objects.filter(pk=upload_id)

    def row(claim: rows.Claim) -> Any:
        found = anybody(claim.upload_id)
        found.filter = lambda **_: found  # also where its status is another by now
        return found

    attempt.take = lambda due, pk, to, **values: take(anybody(pk), pk, to, **values)
    rows.Claim.row = property(row)  # type: ignore[assignment]


def no_sweep() -> None:
    """What a dead worker held stays with it."""
    from processing import ledger

    ledger.sweep = lambda: 0


def no_outbox() -> None:
    """A message is told of as delivered when it is taken up, and not when it was heard."""
    from django.utils import timezone

    from processing.hooks import deliver
    from processing.models import Delivery

    claim = deliver.claim

    def marked_first(pk: int) -> Any:
        taken = claim(pk)
        Delivery.objects.filter(pk=pk).update(delivered_at=timezone.now())
        return taken

    deliver.claim = marked_first
