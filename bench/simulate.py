"""A hundred workers and a thousand people, event by event: who waits how long, and what a plain queue would do.

Fed by bench/costs.json: the seconds of a photo's steps, and of a turn of the dispatcher. Who is next is asked of
`processing.turns`, as the dispatcher does. By hand: `.venv/bin/python -m bench.simulate`, in a minute; writes the
medians of several runs to bench/simulation.json.
"""

import heapq
import json
import random
import statistics
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import count, product, repeat
from typing import Any

from bench.arrivals import KINDS, MIDDLE, MINUTES, USERS, Order, day, flood
from bench.read import COSTS, Costs
from processing.turns import PER_WORKER, SMALL_JOB, Turns, Waiting

WORKERS = 100
LEASE = 20.0  # seconds until a dead worker's photo is queued again
TURNS, QUEUE = "turns", "one queue"
SEEDS = range(1, 6)
SIMULATION = COSTS.with_name("simulation.json")


@dataclass
class House:
    """Workers, a queue of nudges, and a dispatcher that fills it; without `is_fair`, photos line up as they came.

    `photo_seconds` is what photos take, `turn_seconds` gives a turn's seconds by photos waiting and nudges sent.
    """

    orders: Sequence[Order]
    photo_seconds: Sequence[float]
    turn_seconds: Callable[[int, int], float]
    workers: int = WORKERS
    is_fair: bool = True
    seed: int = 1
    now: float = 0.0
    away_until: float = 0.0
    busy_seconds: float = 0.0
    nudges: deque[tuple[Order, int]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.chance, self.numbers, self.turns = random.Random(self.seed), count(), Turns()
        self.waiting: dict[int, Order] = {}  # orders with photos that no nudge was sent for
        self.idle = list(range(self.workers))
        self.at_work: dict[int, tuple[Order, int]] = {}
        self.events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self.is_turning = self.is_woken = False
        self.left = sum(order.size for order in self.orders)
        for order in self.orders:
            self.at(order.came, self.queue, order, range(order.size))

    def at(self, time: float, act: Callable[..., None], *what: Any) -> None:
        heapq.heappush(self.events, (time, next(self.numbers), act, what))

    def run(self) -> None:
        """Until every photo is done."""
        while self.left:
            self.now, _, act, what = heapq.heappop(self.events)
            act(*what)

    # ---- photos come, and are fed ----------------------------------------------------------------------------------

    def queue(self, order: Order, photos: Sequence[int]) -> None:
        if self.is_fair:
            order.waiting.extend(photos)
            self.waiting[order.number] = order
            self.wake()
        else:
            self.nudges.extend((order, photo) for photo in photos)
            self.take()

    def wake(self) -> None:
        """The dispatcher looks at once, or right after its turn."""
        if self.is_turning:
            self.is_woken = True
        elif self.is_fair and self.waiting:
            self.is_turning = True
            self.at(max(self.now, self.away_until), self.turn)

    def turn(self) -> None:
        """What is waiting now is chosen from; the nudges arrive when the turn is over."""
        if self.now < self.away_until:
            self.at(self.away_until, self.turn)
            return
        self.is_woken = False
        free = PER_WORKER * (len(self.idle) + len(self.at_work)) - len(self.nudges)
        rows = [
            Waiting(job, order.owner, len(order.waiting), order.size <= SMALL_JOB)
            for job, order in self.waiting.items()
        ]
        took = self.turn_seconds(sum(row.count for row in rows), max(0, free))
        chosen = self.turns.choose(rows, max(0, free))
        self.at(self.now + took, self.sent, [(self.waiting[job], number) for job, number in chosen.items()])

    def sent(self, chosen: list[tuple[Order, int]]) -> None:
        self.is_turning = False
        small: list[tuple[Order, int]] = []
        for order, number in chosen:
            to = small if order.size <= SMALL_JOB else self.nudges
            to.extend((order, order.waiting.popleft()) for _ in range(number))
            if not order.waiting:
                del self.waiting[order.number]
        self.nudges.extendleft(reversed(small))
        self.take()
        if self.is_woken:
            self.wake()

    # ---- workers ---------------------------------------------------------------------------------------------------

    def take(self) -> None:
        while self.idle and self.nudges:
            order, photo = self.nudges.popleft()
            worker = self.idle.pop()
            self.at_work[worker] = order, photo
            order.begun.setdefault(photo, self.now)
            order.tries += 1
            took = self.chance.choice(self.photo_seconds)
            self.busy_seconds += took
            self.at(self.now + took, self.finish, worker, order, photo)

    def finish(self, worker: int, order: Order, photo: int) -> None:
        if self.at_work.get(worker) != (order, photo):
            return  # it died
        del self.at_work[worker]
        self.idle.append(worker)
        order.done[photo] += 1
        order.ended = self.now
        self.left -= 1
        self.take()
        self.wake()

    # ---- trouble ---------------------------------------------------------------------------------------------------

    def die(self, number: int, back_after: float) -> None:
        """So many workers end at once; others take their places after a while."""
        for worker in sorted([*self.at_work, *self.idle])[:number]:
            if worker in self.at_work:
                order, photo = self.at_work.pop(worker)
                self.at(self.now + LEASE, self.queue, order, [photo])
            else:
                self.idle.remove(worker)
            self.at(self.now + back_after, self.begin, worker + self.workers)

    def begin(self, worker: int) -> None:
        self.idle.append(worker)
        self.take()
        self.wake()

    def dispatcher_gone(self, seconds: float) -> None:
        self.away_until = self.now + seconds


# ---- what came of it -----------------------------------------------------------------------------------------------


def figures(house: House) -> dict[str, Any]:
    """By who sent them, seconds that photos waited to begin: p50, p95, p99, most. How evenly people were served: Jain's
    index over their speed, as a part of what each would have had alone. How busy the workers were."""
    alone, speeds = statistics.mean(house.photo_seconds), defaultdict[int, list[float]](list)
    for order in house.orders:
        took = order.ended - order.came
        speeds[order.owner].append(alone * max(1.0, order.size / house.workers) / took)
    each = [statistics.mean(values) for values in speeds.values()]
    waits = {kind: sorted(_waits(house.orders, kind)) for kind in KINDS}
    return {
        "waits": {kind: [round(_part(some, at), 1) for at in (0.5, 0.95, 0.99, 1)] for kind, some in waits.items()},
        "jain": round(sum(each) ** 2 / (len(each) * sum(value**2 for value in each)), 2),
        "use": round(house.busy_seconds / (house.workers * max(order.ended for order in house.orders)), 2),
        "photos": sum(order.size for order in house.orders),
    }


def _waits(orders: Sequence[Order], kind: str) -> Iterator[float]:
    for order in orders:
        if order.kind == kind:
            yield from (begun - order.came for begun in order.begun.values())


def _part(values: list[float], at: float) -> float:
    return values[min(len(values) - 1, int(at * len(values)))]


LOADS = {"80 %": 0.80, "95 %": 0.95, "110 %": 1.10}  # what comes, as a part of what the workers can do
TROUBLES: dict[str, tuple[float, Callable[[House], None]]] = {
    **{name: (load, lambda house: None) for name, load in LOADS.items()},
    "95 %, 10 workers die": (0.95, lambda house: house.at(MIDDLE, house.die, 10, 300.0)),
    "95 %, no dispatcher for 15 s": (0.95, lambda house: house.at(MIDDLE, house.dispatcher_gone, 15.0)),
    "80 %, two people flood": (0.80, lambda house: None),
}


def prepared(costs: Costs, name: str, *, is_fair: bool, seed: int = 1) -> House:
    load, trouble = TROUBLES[name]
    rate = load * WORKERS / statistics.mean(costs.photo_seconds)
    orders = day(rate, MINUTES, USERS, seed)
    if "flood" in name:
        orders = flood(orders, photos=round(rate * 120))
    house = House(orders, costs.photo_seconds, costs.turn_seconds, is_fair=is_fair, seed=seed)
    trouble(house)
    return house


def one(name: str, how: str, seed: int) -> dict[str, Any]:
    house = prepared(Costs.read(), name, is_fair=how == TURNS, seed=seed)
    house.run()
    return figures(house)


def middle(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The medians of the figures of several runs."""
    waits = {kind: [round(statistics.median(at), 1) for at in zip(*(run["waits"][kind] for run in runs), strict=True)]
             for kind in KINDS}  # fmt: skip
    return {"waits": waits} | {
        name: round(statistics.median(run[name] for run in runs), 2) for name in ("jain", "use", "photos")
    }


def main() -> None:
    found: dict[str, dict[str, Any]] = {}
    with ProcessPoolExecutor() as pool:
        for name, how in product(TROUBLES, (TURNS, QUEUE)):
            found.setdefault(name, {})[how] = middle(list(pool.map(one, repeat(name), repeat(how), SEEDS)))
            print(f"{name}, {how}: {json.dumps(found[name][how])}", flush=True)
    SIMULATION.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
