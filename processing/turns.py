"""Whose turn it is: people in turn, then the jobs of each in turn. Plain values, so that a simulation asks the same."""

from collections import Counter, OrderedDict, deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

PER_WORKER = 3  # nudges in Redis per worker: enough to keep it busy, few enough to stay fair
SMALL_JOB = 5  # photos; such a job goes first


@dataclass
class Waiting:
    """What a job has waiting, whose it is, and whether it has but a few photos in all."""

    job: int
    owner: int
    count: int
    is_small: bool = False


@dataclass
class Person:
    """The jobs of one person, those first that were served longest ago."""

    small: deque[Waiting] = field(default_factory=deque)
    large: deque[Waiting] = field(default_factory=deque)

    def take(self) -> Waiting:
        """The job whose photo is next; small ones go first."""
        jobs = self.small or self.large
        row = jobs.popleft()
        row.count -= 1
        if row.count:
            jobs.append(row)
        return row


class Turns:
    """Remembers who was served when."""

    def __init__(self) -> None:
        self.number = 0
        self.owners: Counter[int] = Counter()  # id → turn last served
        self.groups: Counter[Hashable] = Counter()

    def last(self, owner: int, group: Hashable) -> tuple[int, int]:
        """When this person was served, and when this group (a job, a host) of the person's: the least is next."""
        return self.owners[owner], self.groups[group]

    def serve(self, owner: int, group: Hashable) -> None:
        self.number += 1
        self.owners[owner] = self.groups[group] = self.number

    def choose(self, waiting: Iterable[Waiting], places: int) -> Counter[int]:
        """How many of so many places each job gets.

        Small jobs go first at every second place, so that a stream of them cannot hold up the others. Who was served
        goes to the end of the line, so the line is sorted once. Jobs that wait no more are forgotten.
        """
        rows = sorted(waiting, key=self._order)
        self.groups = Counter({row.job: self.groups[row.job] for row in rows})
        return self._take([row for row in rows if row.count], places)

    def hasten(self, waiting: Iterable[Waiting], places: int) -> Counter[int]:
        """How many of so many places beside the others each small job gets."""
        return self._take(sorted((row for row in waiting if row.is_small), key=self._order), places)

    def _take(self, rows: Iterable[Waiting], places: int) -> Counter[int]:
        """Those that are chosen wait no more."""
        line: OrderedDict[int, Person] = OrderedDict()
        for row in rows:
            person = line.setdefault(row.owner, Person())
            (person.small if row.is_small else person.large).append(row)
        hasty = OrderedDict((owner, person) for owner, person in line.items() if person.small)
        given: Counter[int] = Counter()
        while line and given.total() < places:
            owner, person = next(iter((hasty if hasty and self.number % 2 == 0 else line).items()))
            row = person.take()
            self.serve(owner, row.job)
            given[row.job] += 1
            _to_the_end(line, owner, stays=bool(person.small or person.large))
            _to_the_end(hasty, owner, stays=bool(person.small))
        return given

    def _order(self, row: Waiting) -> tuple[int, bool, int]:
        owner, job = self.last(row.owner, row.job)
        return owner, not row.is_small, job


def _to_the_end(line: OrderedDict[int, Person], owner: int, *, stays: bool) -> None:
    if owner in line:
        line.move_to_end(owner)
        if not stays:
            del line[owner]
