"""The simulation: it can be run again, loses nothing, and shows who waits."""

import statistics
from collections import Counter

import pytest

from bench.arrivals import KINDS, MINUTES, USERS, Order, day
from bench.read import Costs
from bench.simulate import LOADS, House, figures, prepared

WORKERS = 4


def turn_seconds(waiting: int, nudges: int) -> float:
    return 0.02 + waiting / 1e6 + nudges / 1e4


def house(orders: list[Order], *, is_fair: bool = True, seed: int = 1) -> House:
    made = House(orders, [0.4, 0.5, 0.6, 1.5], turn_seconds, workers=WORKERS, is_fair=is_fair, seed=seed)
    many = max(orders, key=lambda order: order.size)  # all workers are at work on it
    made.at(many.came + 5, made.die, 2, 30.0)
    made.at(many.came + 10, made.dispatcher_gone, 15.0)
    return made


def some(seed: int = 1) -> list[Order]:
    """Five minutes of a few people, one of them with most of the photos."""
    return day(rate=3, minutes=5, users=20, seed=seed)


def a_lone_one_behind(many: int) -> list[Order]:
    return [Order(0, 1, "a thousand", 0.0, many), Order(1, 2, "one", 10.0, 1)]


@pytest.mark.parametrize(("name", "load"), LOADS.items())
def test_what_comes_is_the_load_that_the_table_says(name: str, load: float) -> None:
    house = prepared(Costs.read(), name, is_fair=True)
    photos = sum(order.size for order in house.orders)
    taken = photos * statistics.mean(house.photo_seconds) / house.workers / (60 * MINUTES)
    assert taken == pytest.approx(load, rel=0.02)
    sent = Counter[str]()
    for order in house.orders:
        sent[order.kind] += order.size
    assert {kind: sent[kind] / photos for kind in KINDS} == pytest.approx(
        {name: kind.photos for name, kind in KINDS.items()}, rel=0.02
    )
    assert min(Counter(order.kind for order in house.orders).values()) >= 10
    assert {order.owner for order in house.orders} <= set(range(USERS))


def test_more_load_means_longer_waits_but_for_who_sends_one_photo() -> None:
    found = []
    for load in LOADS.values():
        run = House(day(load * WORKERS / 0.5, 10, 50, seed=1), [0.5], turn_seconds, workers=WORKERS)
        run.run()
        found.append(figures(run)["waits"])
    for at in (0, 1, 2):  # half of them, 95 %, 99 %
        for kind in ("a hundred", "a thousand"):
            waits = [one[kind][at] for one in found]
            assert waits == sorted(waits)
            assert waits[0] < waits[-1]
    assert max(one["one"][0] for one in found) < 1


def test_the_same_seed_gives_the_same_figures() -> None:
    first, again, other = house(some()), house(some()), house(some(), seed=2)
    for one in (first, again, other):
        one.run()
    assert figures(first) == figures(again) != figures(other)


@pytest.mark.parametrize("is_fair", [True, False])
def test_every_photo_that_came_is_done_once_although_workers_die_and_the_dispatcher_is_away(is_fair: bool) -> None:
    orders = some()
    run = house(orders, is_fair=is_fair)
    run.run()
    assert {order.kind for order in orders} == set(KINDS)
    for order in orders:
        assert order.done == dict.fromkeys(range(order.size), 1)
        assert order.ended > order.came
    assert sum(order.tries for order in orders) == sum(order.size for order in orders) + 2


def begun_between(orders: list[Order]) -> int:
    """How many photos of the first order were begun while the second waited."""
    many, lone = orders
    return sum(lone.came <= at < lone.begun[0] for at in many.begun.values())


def test_a_lone_photo_behind_ten_thousand_waits_for_a_turn_and_a_worker() -> None:
    orders = a_lone_one_behind(10_000)
    run = House(orders, [0.4, 0.5, 0.6], turn_seconds, workers=WORKERS)
    run.run()
    assert begun_between(orders) <= WORKERS
    assert orders[1].begun[0] - orders[1].came <= 3 * turn_seconds(10_000, 1) + 0.6


def test_in_one_queue_it_waits_for_all_of_them() -> None:
    orders = a_lone_one_behind(1000)
    House(orders, [0.4, 0.5, 0.6], turn_seconds, workers=WORKERS, is_fair=False).run()
    assert begun_between(orders) > 900


def test_without_a_dispatcher_a_newcomer_waits_until_it_is_back() -> None:
    orders = a_lone_one_behind(10_000)
    run = House(orders, [0.5], turn_seconds, workers=WORKERS)
    run.at(9.0, run.dispatcher_gone, 15.0)
    run.run()
    assert 14 < orders[1].begun[0] - orders[1].came < 16
