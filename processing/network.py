"""Requests to other servers on an `io` worker: several at once, people in turn, never many to one host."""

import asyncio
import time
import uuid
from abc import ABC, abstractmethod
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Coroutine, Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import httpx
from asgiref.sync import async_to_sync, sync_to_async
from django.conf import settings

from processing.models import lease
from processing.turns import Turns

SHORT, LONG = 5, 60  # seconds of claiming; then others have their turn
TICK = 1.0  # seconds between two looks while nothing ends
Renewing = Callable[[Callable[[], None]], AbstractContextManager[object]]  # what calls this now and then while it lasts


class Claimed(Protocol):
    """What a session has taken on; `host` is who is asked."""

    @property
    def host(self) -> str: ...


C = TypeVar("C", bound=Claimed)
R = TypeVar("R")  # what comes of a request


class Session(ABC, Generic[C, R]):
    """The network is waited for in an event loop; the database and the disk are the worker's own thread's."""

    role: ClassVar[str]  # the lease of those that claim
    look_again: ClassVar[float] = 5.0  # seconds after which it is read anew who waits

    def __init__(self, stopping: Callable[[], bool]) -> None:
        self.name = uuid.uuid4().hex
        self.stopping = stopping
        # One session fetches and one delivers: long ones leave a worker for the rest.
        self.claim_until = time.monotonic() + (LONG if settings.IO_WORKERS > 2 else SHORT)
        self.held_at = self.read_at = float("-inf")
        self.is_held = False
        self.running: dict[asyncio.Task[R], C] = {}
        self.elsewhere: Counter[str] = Counter()  # at work for those who are not this session, by host
        self.line = Line()

    # ---- what each kind does -------------------------------------------------------------------------------------

    @abstractmethod
    def client(self) -> httpx.AsyncClient: ...

    @abstractmethod
    def read(self) -> None:
        """Put who waits into the line, which is empty, and count those who are at work elsewhere."""

    @abstractmethod
    def claim(self, pk: int) -> C | None:
        """Take one on; None where somebody else did."""

    @abstractmethod
    def ask(self, client: httpx.AsyncClient, claim: C) -> Coroutine[Any, Any, R]: ...

    @abstractmethod
    def settle(self, claim: C, request: "asyncio.Task[R]") -> None:
        """What came of it; nothing where it was cancelled: then it is to be given back."""

    def renew(self, claim: C) -> bool:
        """Hold the claim a while longer; False when somebody else has it."""
        return True

    # ---- what all do ---------------------------------------------------------------------------------------------

    def work(self, renewing: Renewing = nullcontext) -> None:
        """Ask what is due, unless another worker is at it already. When stopping, what runs is given back at once."""
        try:
            with renewing(self.renew_late):
                if self.hold():
                    async_to_sync(self._run)()
        finally:
            lease.let_go(self.role, self.name)

    async def _run(self) -> None:
        # A name that the DNS hangs on holds a thread for longer than its request lasts: there must be others,
        loop, turn = asyncio.get_running_loop(), sync_to_async(self.turn)
        loop.set_default_executor(ThreadPoolExecutor(4 * settings.FETCHES))
        async with self.client() as client:
            while True:
                unwanted, claims = await turn()
                for request in unwanted:
                    request.cancel()
                for claim in claims:
                    self.running[asyncio.create_task(self.ask(client, claim))] = claim
                if not self.running:
                    break
                await asyncio.wait(self.running, timeout=TICK, return_when=asyncio.FIRST_COMPLETED)
        loop.set_default_executor(ThreadPoolExecutor(1))  # and the loop, as it closes, waits for none of those

    def turn(self) -> "tuple[list[asyncio.Task[R]], list[C]]":
        """Settle what has ended; gives what is to end, and what is to begin."""
        for request in [request for request in self.running if request.done()]:
            self.settle(self.running[request], request)
            del self.running[request]
        if self.stopping():
            return list(self.running), []
        return self.lost(), list(self.claims())

    def hold(self) -> bool:
        """Only one session claims at a time, so that its limits are those of the house. One that has claimed its share,
        and waits for what runs, makes room for the next."""
        self.held_at = time.monotonic()
        self.is_held = self.held_at < self.claim_until and lease.hold(self.role, self.name, settings.LEASE)
        if not self.is_held:
            lease.let_go(self.role, self.name)
        return self.is_held

    def lost(self) -> "list[asyncio.Task[R]]":
        """Renew all leases when it is time; gives the requests whose claim somebody else has."""
        if time.monotonic() < self.held_at + settings.HEARTBEAT:
            return []
        self.hold()
        return [request for request, claim in self.running.items() if not self.renew(claim)]

    def renew_late(self) -> None:
        """From beside: while a turn waits for a storage that hangs, nobody else renews the leases."""
        if time.monotonic() < self.held_at + settings.HEARTBEAT + TICK:
            return
        self.held_at = time.monotonic()
        if self.is_held:
            lease.hold(self.role, self.name, settings.LEASE)
        for claim in list(self.running.values()):
            self.renew(claim)

    def claims(self) -> Iterator[C]:
        """As many more as there is room for."""
        if not self.is_held or time.monotonic() > self.claim_until:
            return
        if time.monotonic() > self.read_at + self.look_again:
            self.read_at = time.monotonic()
            self.line.clear()
            self.read()
        at_work = self.elsewhere + Counter(claim.host for claim in self.running.values())
        while at_work.total() < settings.FETCHES:
            pk = self.line.take({host for host, count in at_work.items() if count >= settings.FETCHES_PER_HOST})
            if pk is None:
                return
            if claim := self.claim(pk):
                at_work[claim.host] += 1
                yield claim


@dataclass
class Waiting:
    """What waits of one group, by its hosts, each in order."""

    owner: int
    hosts: dict[str, deque[tuple[int, int]]] = field(default_factory=lambda: defaultdict(deque))  # place, id

    def first(self, full: set[str]) -> str | None:
        """The host of the first that is of none of these hosts."""
        free = {host: those[0] for host, those in self.hosts.items() if those and host not in full}
        return min(free, key=free.__getitem__, default=None)


class Line:
    """Who is next: people in turn, then the groups of each in turn, then by place."""

    def __init__(self) -> None:
        self.groups: dict[Hashable, Waiting] = {}
        self.turns = Turns()

    def clear(self) -> None:
        """Nobody waits; who was served last is remembered."""
        self.groups = {}

    def put(self, pk: int, *, owner: int, group: Hashable, host: str, place: int) -> None:
        self.groups.setdefault(group, Waiting(owner)).hosts[host].append((place, pk))

    def take(self, full: set[str]) -> int | None:
        """The next that is of none of these hosts."""
        free = {group: host for group, row in self.groups.items() if (host := row.first(full)) is not None}
        if not free:
            return None
        group = min(free, key=lambda group: self.turns.last(self.groups[group].owner, group))
        self.turns.serve(self.groups[group].owner, group)
        return self.groups[group].hosts[free[group]].popleft()[1]
