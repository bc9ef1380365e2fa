"""Whose turn it is."""

import random
from collections import Counter
from dataclasses import replace

import pytest

from processing.turns import Turns, Waiting

ALICE, BOB, CAROL = 1, 2, 3


def waiting(owner: int, *counts: int, first: int = 0, small: bool = False) -> list[Waiting]:
    """Jobs of a person with so many photos each; their numbers begin at `first`."""
    return [Waiting(job, owner, count, small) for job, count in enumerate(counts, first or 10 * owner)]


def test_people_are_served_in_turn() -> None:
    assert Turns().choose([*waiting(ALICE, 30), *waiting(BOB, 30)], 6) == {10: 3, 20: 3}


def test_who_has_many_jobs_has_no_more_turns() -> None:
    assert Turns().choose([*waiting(ALICE, 9, 9, 9), *waiting(BOB, 30)], 6) == {10: 1, 11: 1, 12: 1, 20: 3}


def test_who_was_served_last_is_remembered() -> None:
    turns = Turns()
    served = [turns.choose([*waiting(ALICE, 9, 9), *waiting(BOB, 9), *waiting(CAROL, 9)], 1) for _ in range(4)]
    assert served == [{10: 1}, {20: 1}, {30: 1}, {11: 1}]


def test_who_has_nothing_left_leaves_the_places_to_the_others() -> None:
    assert Turns().choose([*waiting(ALICE, 30), *waiting(BOB, 1)], 6) == {10: 5, 20: 1}


def test_no_more_is_given_than_there_is() -> None:
    assert Turns().choose(waiting(ALICE, 2, 1), 100) == {10: 2, 11: 1}
    assert Turns().choose([], 100) == {}


def test_a_newcomer_goes_before_those_who_were_served() -> None:
    turns = Turns()
    turns.choose(waiting(ALICE, 1000), 300)
    assert turns.choose([*waiting(ALICE, 700), *waiting(BOB, 1)], 1) == {20: 1}


def test_a_small_job_goes_before_the_large_ones_of_the_same_person() -> None:
    assert Turns().choose([*waiting(ALICE, 50), *waiting(ALICE, 2, first=11, small=True)], 2) == {11: 2}


def test_a_stream_of_small_jobs_takes_every_second_place_at_most() -> None:
    small = [row for owner in range(2, 22) for row in waiting(owner, 1, small=True)]
    turns, large = Turns(), 0
    turns.choose(small[:10], 10)
    for _ in range(10):  # each time somebody new
        large += turns.choose([*waiting(ALICE, 50), small.pop()], 2)[10]
    assert large == 10


def test_jobs_that_wait_no_more_are_forgotten() -> None:
    turns = Turns()
    for job in range(100):
        turns.choose(waiting(ALICE, 1, first=job), 1)
    assert len(turns.groups) == 1


def test_small_jobs_alone_are_hastened_and_the_others_keep_their_turn() -> None:
    turns = Turns()
    turns.choose([*waiting(ALICE, 9, 9)], 1)
    rows = [*waiting(ALICE, 8, 9), *waiting(BOB, 1, small=True)]
    assert turns.hasten(rows, 3) == {20: 1}
    assert turns.choose(rows, 1) == {11: 1}


class Plain:
    """The rule in its shortest words, place by place."""

    def __init__(self) -> None:
        self.turn, self.served = 0, Counter[tuple[str, int]]()

    def choose(self, waiting: list[Waiting], places: int) -> Counter[int]:
        given: Counter[int] = Counter()
        for _ in range(places):
            left = [row for row in waiting if row.count]
            if not left:
                break
            self.turn += 1
            small = [row for row in left if row.is_small and self.turn % 2]
            row = min(small or left, key=self.last)
            self.served["owner", row.owner] = self.served["job", row.job] = self.turn
            row.count -= 1
            given[row.job] += 1
        return given

    def last(self, row: Waiting) -> tuple[int, bool, int]:
        return self.served["owner", row.owner], not row.is_small, self.served["job", row.job]


@pytest.mark.parametrize("seed", range(20))
def test_the_line_is_that_of_the_plain_rule(seed: int) -> None:
    chance = random.Random(seed)
    counts = {job: chance.choice([1, 2, 5, 40]) for job in range(30)}
    rows = [Waiting(job, chance.randrange(8), count, count <= 5) for job, count in counts.items()]
    line, plain = Turns(), Plain()
    while rows := [row for row in rows if row.count]:
        places = chance.randrange(1, 12)
        given = line.choose([replace(row) for row in rows], places)
        assert given == plain.choose(rows, places)
