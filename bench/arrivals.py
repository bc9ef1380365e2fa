"""Who sends how many photos, and when."""

import math
import random
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

USERS = 1000
MINUTES = 40
RHYTHM = 0.25  # by so much the busiest time is above the average, and the quietest below
MIDDLE = 30.0 * MINUTES  # seconds; the busiest moment


@dataclass(frozen=True)
class Kind:
    """How people send: the photos of an order, the share of the people, and that of all photos."""

    size: int
    people: float
    photos: float


KINDS = {"one": Kind(1, 0.9, 0.1), "a hundred": Kind(100, 0.09, 0.3), "a thousand": Kind(1000, 0.01, 0.6)}

LAST = list(KINDS)[-1]


@dataclass(eq=False)
class Order:
    """Photos that one person sends at once. `begun`: when each was begun first; `done`: how often it was finished."""

    number: int
    owner: int
    kind: str
    came: float
    size: int
    waiting: deque[int] = field(default_factory=deque)
    begun: dict[int, float] = field(default_factory=dict)
    done: Counter[int] = field(default_factory=Counter)
    tries: int = 0
    ended: float = 0.0


def day(rate: float, minutes: int, users: int, seed: int) -> list[Order]:
    """Orders of so many photos per second on average, in one wave of quiet and busy hours, made short.

    All of them together are `rate` times the seconds, to the photo: so an order has a few more or less than its kind.
    """
    orders, first, left = list[Order](), 0, round(rate * 60 * minutes)
    for name, kind in KINDS.items():
        chance = random.Random(f"{seed} {name}")  # more load brings the same orders, and some more
        people = range(first, first + max(1, round(users * kind.people)))
        first = people.stop
        photos = min(left, round(rate * 60 * minutes * kind.photos)) if name != LAST else left
        left -= photos
        for size in _parts(photos, max(1, round(photos / kind.size))):
            orders.append(Order(0, chance.choice(people), name, _moment(chance, 60.0 * minutes), size))
    return _numbered(orders)


def flood(orders: list[Order], photos: int) -> list[Order]:
    """Two of the people with many photos send so many more, at once."""
    owners = sorted({order.owner for order in orders}, reverse=True)[:2]
    return _numbered([*orders, *(Order(0, owner, LAST, MIDDLE, photos) for owner in owners)])


def _parts(photos: int, number: int) -> list[int]:
    """As even as can be."""
    return [photos // number + (part < photos % number) for part in range(number)]


def _moment(chance: random.Random, seconds: float) -> float:
    """More likely in the busy half than in the quiet one."""
    while True:
        at = chance.random()
        if chance.random() * (1 + RHYTHM) < 1 - RHYTHM * math.cos(2 * math.pi * at):
            return at * seconds


def _numbered(orders: Sequence[Order]) -> list[Order]:
    found = sorted(orders, key=lambda order: order.came)
    for number, order in enumerate(found):
        order.number = number
    return found
