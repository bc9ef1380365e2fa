"""The settings of a house that can do without one of its protections, for as long as a file in its folder names that.

Each experiment that a protection is for must be seen to fail without it: else the check sees nothing.
"""

from typing import Any

from django.apps import AppConfig

from photoproc import settings

FILE = "without"  # in the house's folder

globals().update({name: value for name, value in vars(settings).items() if name.isupper()})
INSTALLED_APPS = [*settings.INSTALLED_APPS, "tests.chaos.unprotected.Unprotected"]


class Unprotected(AppConfig):
    name = "tests.chaos"

    def ready(self) -> None:
        for make_removable in (claims, sweep, outbox):
            make_removable()


def lacks(protection: str) -> bool:
    file = settings.DATA_DIR / FILE
    return file.exists() and file.read_text() == protection


def claims() -> None:
    """Without them, whoever is told of a photo works on it, and whoever has worked on it ends it."""
    from processing.ledger import attempt, rows
    from processing.models import Upload

    take, of_claim = attempt.take, rows.Claim.row

    def anybody(upload_id: int) -> Any:
        return Upload.objects.filter(pk=upload_id)

    def row(claim: rows.Claim) -> Any:
        if not lacks("claims"):
            return of_claim.fget(claim)  # type: ignore[attr-defined]
        found = anybody(claim.upload_id)
        found.filter = lambda **_: found  # also where its status is another by now
        return found

    attempt.take = lambda due, pk, to, **values: take(anybody(pk) if lacks("claims") else due, pk, to, **values)
    rows.Claim.row = property(row)  # type: ignore[assignment]


def sweep() -> None:
    """Without it, what a dead worker held stays with it."""
    from processing import ledger

    swept = ledger.sweep
    ledger.sweep = lambda: 0 if lacks("sweep") else swept()


def outbox() -> None:
    """Without it, a message is told of as delivered when it is taken up, and not when it was heard."""
    from django.utils import timezone

    from processing.hooks import deliver
    from processing.models import Delivery

    claim = deliver.claim

    def marked_first(pk: int) -> Any:
        taken = claim(pk)
        if lacks("outbox"):
            Delivery.objects.filter(pk=pk).update(delivered_at=timezone.now())
        return taken

    deliver.claim = marked_first
