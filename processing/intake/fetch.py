"""Fetch photos from their addresses on the `io` worker."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import httpx
from django.utils import timezone

from processing import ledger, network
from processing.intake import download
from processing.intake.keep import bringing, keep
from processing.ledger import Claim
from processing.models import Status, Upload, lease
from processing.storage import Part


def fetch_photos(*, stopping: Callable[[], bool] = lambda: False, renewing: network.Renewing = nullcontext) -> None:
    """Fetch what is due, unless another worker is at it already. When `stopping`, what runs is given back at once."""
    Session(stopping).work(renewing)


class Session(network.Session[Claim, Part]):
    role = lease.FETCHING

    def client(self) -> httpx.AsyncClient:
        return download.client()

    def read(self) -> None:
        rows = ledger.to_fetch().order_by("job_id", "position")  # so that the older of two jobs begins
        columns = rows.values_list("job_id", "job__owner_id", "host", "position", "pk")
        for job, owner, host, position, pk in columns.iterator():
            self.line.put(pk, owner=owner, group=job, host=host, place=position)
        own = [claim.token for claim in self.running.values()]
        claimed = Upload.objects.filter(status=Status.NEW, claim__isnull=False).exclude(url="").exclude(claim__in=own)
        self.elsewhere = Counter(claimed.values_list("host", flat=True))

    def claim(self, pk: int) -> Claim | None:
        return ledger.claim_fetch(pk)

    def ask(self, client: httpx.AsyncClient, claim: Claim) -> Coroutine[Any, Any, Part]:
        return download.download(client, claim.url)

    def renew(self, claim: Claim) -> bool:
        return ledger.renew(claim)

    def settle(self, claim: Claim, request: "asyncio.Task[Part]") -> None:
        """An original, or an error."""
        if request.cancelled():
            ledger.give_back(claim)  # which changes nothing where the claim is lost
            return
        error = request.exception()
        with bringing(claim), request.result() as part:
            keep(claim, part)
        if isinstance(error, download.Busy):
            ledger.postpone(error.host, timezone.now() + timedelta(seconds=error.seconds))
