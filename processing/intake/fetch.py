"""Fetch photos from their addresses on the `io` worker: several at once, people in turn, never many from one host."""

import asyncio
import time
import uuid
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta

from asgiref.sync import async_to_sync, sync_to_async
from django.conf import settings
from django.utils import timezone

from processing import ledger
from processing.intake import download
from processing.intake.keep import Spool, bringing, keep
from processing.ledger import Claim
from processing.models import Status, Upload, lease

ALONE, BESIDE = 5, 60  # seconds of claiming, as the only io worker and beside others; then others have their turn
TICK = 1.0  # seconds between two looks while nothing ends
LOOK_AGAIN = 5.0  # seconds after which it is read anew who waits

Fetch = asyncio.Task[Spool]


def fetch_photos(*, stopping: Callable[[], bool] = lambda: False) -> None:
    """Fetch what is due, unless another worker is at it already. When `stopping`, what runs is given back at once."""
    session = Session(stopping)
    try:
        if session.hold():
            async_to_sync(session.run)()
    finally:
        lease.let_go(lease.FETCHING, session.name)


class Session:
    """The network is waited for in an event loop; the database and the disk are the worker's own thread's."""

    def __init__(self, stopping: Callable[[], bool]) -> None:
        self.name = uuid.uuid4().hex
        self.stopping = stopping
        self.claim_until = time.monotonic() + (BESIDE if settings.IO_WORKERS > 1 else ALONE)
        self.held_at = self.read_at = float("-inf")
        self.is_held = False
        self.running: dict[Fetch, Claim] = {}
        self.line = Line()

    async def run(self) -> None:
        # A name that the DNS hangs on holds a thread for longer than its fetch lasts: there must be others,
        loop, turn = asyncio.get_running_loop(), sync_to_async(self.turn)
        loop.set_default_executor(ThreadPoolExecutor(4 * settings.FETCHES))
        async with download.client() as client:
            while True:
                unwanted, claims = await turn()
                for fetch in unwanted:
                    fetch.cancel()
                for claim in claims:
                    self.running[asyncio.create_task(download.download(client, claim.url))] = claim
                if not self.running:
                    break
                await asyncio.wait(self.running, timeout=TICK, return_when=asyncio.FIRST_COMPLETED)
        loop.set_default_executor(ThreadPoolExecutor(1))  # and the loop, as it closes, waits for none of those

    def turn(self) -> tuple[list[Fetch], list[Claim]]:
        """Settle what has ended; gives what is to end, and what is to begin."""
        for fetch in [fetch for fetch in self.running if fetch.done()]:
            settle(self.running.pop(fetch), fetch)
        if self.stopping():
            return list(self.running), []
        return self.lost(), list(self.claims())

    def hold(self) -> bool:
        """Only one session claims at a time, so that its limits are those of the house. One that has claimed its share,
        and waits for what runs, makes room for the next."""
        self.held_at = time.monotonic()
        self.is_held = self.held_at < self.claim_until and lease.hold(lease.FETCHING, self.name, settings.LEASE)
        if not self.is_held:
            lease.let_go(lease.FETCHING, self.name)
        return self.is_held

    def lost(self) -> list[Fetch]:
        """Renew all leases when it is time; gives the fetches whose photo somebody else has moved."""
        if time.monotonic() < self.held_at + settings.HEARTBEAT:
            return []
        self.hold()
        return [fetch for fetch, claim in self.running.items() if not ledger.renew(claim)]

    def claims(self) -> Iterator[Claim]:
        """As many more as there is room for."""
        if not self.is_held or time.monotonic() > self.claim_until:
            return
        if time.monotonic() > self.read_at + LOOK_AGAIN:
            self.read_at = time.monotonic()
            self.line.read([claim.token for claim in self.running.values()])
        at_work = self.line.elsewhere + Counter(claim.host for claim in self.running.values())
        while at_work.total() < settings.FETCHES:
            pk = self.line.take({host for host, count in at_work.items() if count >= settings.FETCHES_PER_HOST})
            if pk is None:
                return
            if claim := ledger.claim_fetch(pk):
                at_work[claim.host] += 1
                yield claim


def settle(claim: Claim, fetch: Fetch) -> None:
    """What came of a fetch: an original, an error, or nothing where it was cancelled."""
    if fetch.cancelled():
        ledger.give_back(claim)  # which changes nothing where the claim is lost
        return
    error = fetch.exception()
    with bringing(claim), fetch.result() as spool:
        keep(claim, spool)
    if isinstance(error, download.Busy):
        ledger.postpone(error.host, timezone.now() + timedelta(seconds=error.seconds))


@dataclass
class Waiting:
    """The photos of one job that wait, by their hosts, each in the job's order."""

    owner: int
    hosts: dict[str, deque[tuple[int, int]]] = field(default_factory=lambda: defaultdict(deque))  # position, id

    def first(self, full: set[str]) -> str | None:
        """The host of the first photo that is of none of these hosts."""
        free = {host: photos[0] for host, photos in self.hosts.items() if photos and host not in full}
        return min(free, key=free.__getitem__, default=None)


class Line:
    """Who is next: people in turn, then the jobs of each in turn, then by position."""

    def __init__(self) -> None:
        self.jobs: dict[int, Waiting] = {}
        self.elsewhere: Counter[str] = Counter()  # claimed by those who are not this session, by host
        self.served: Counter[tuple[str, int]] = Counter()  # ("owner" or "job", id) → turn last served
        self.turn_number = 0

    def read(self, own: list[uuid.UUID]) -> None:
        """Look into the database; `own` are the claims of this session."""
        self.jobs = {}
        rows = ledger.to_fetch().order_by("job_id", "position")  # so that the older of two jobs begins
        columns = rows.values_list("job_id", "job__owner_id", "host", "position", "pk")
        for job, owner, host, position, pk in columns.iterator():
            self.jobs.setdefault(job, Waiting(owner)).hosts[host].append((position, pk))
        claimed = Upload.objects.filter(status=Status.NEW, claim__isnull=False).exclude(url="").exclude(claim__in=own)
        self.elsewhere = Counter(claimed.values_list("host", flat=True))

    def take(self, full: set[str]) -> int | None:
        """The next photo that is of none of these hosts."""
        free = {job: host for job, row in self.jobs.items() if (host := row.first(full)) is not None}
        if not free:
            return None
        job = min(free, key=lambda job: (self.served["owner", self.jobs[job].owner], self.served["job", job]))
        self.turn_number += 1
        self.served["owner", self.jobs[job].owner] = self.served["job", job] = self.turn_number
        return self.jobs[job].hosts[free[job]].popleft()[1]
