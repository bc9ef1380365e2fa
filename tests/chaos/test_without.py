"""The check sees what protections are for: the same is done to a house that has one, and to a house without it."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.chaos.conftest import SEED, Prove, Worlds
from tests.chaos.harms import nudge_twice
from tests.chaos.test_processes import at_work, killed, stopped
from tests.chaos.world import LEASE, SECONDS, World
from tests.chaos.worlds import Unprotected
from tests.house import House, wait_for
from tests.receiver import SILENCE
from tests.reliability.test_kills import workers


def those(house: House, status: str) -> set[int]:
    return {pk for (pk,) in house.rows(f"SELECT id FROM processing_upload WHERE status = '{status}'")}


def nudge_all_twice(world: World) -> None:
    end, told = time.monotonic() + SECONDS, set[int]()
    while time.monotonic() < end:
        queued = those(world.house, "queued")
        nudge_twice(world.house, sorted(queued - told))
        told |= queued
        time.sleep(0.05)


def kill_with_a_photo_in_hand(world: World) -> None:
    """All workers, at a moment when one of them has a photo."""

    def is_done() -> bool:
        wait_for(lambda: those(world.house, "processing"), 60, 0.01)
        one, *others = at_work(world.house)
        with stopped(one):
            for other in others:
                killed(world, other)
            if has_one := bool(those(world.house, "processing")):
                killed(world, one)
        return has_one

    wait_for(is_done, 120)


def kill_while_the_receiver_is_silent(world: World) -> None:
    """Each `io` worker, while a message is on its way; what the receiver did not answer it has not heard."""
    receiver = world.receiver
    receiver.answers = [SILENCE]
    heard = len(receiver.got)
    wait_for(lambda: len(receiver.got) > heard, 60, 0.01)
    for worker in workers(world.house, io=True):
        killed(world, worker)
    del receiver.got[heard:]
    receiver.answers = [200]


@dataclass(frozen=True)
class Experiment:
    """What is done, and the sentence with which the check tells of it where nothing protects."""

    name: str
    harm: Callable[[World], None]
    seen: str
    patience: float = 150  # seconds that an end is waited for


PROTECTIONS = {
    "claims": Experiment("tell two workers of each photo at once", nudge_all_twice, r"was told as [2-9] events"),
    "sweep": Experiment(
        "kill all workers, one with a photo in hand", kill_with_a_photo_in_hand,
        r"these photos have not ended: \[('\d+ processing'(, )?)+\]", 6 * LEASE,
    ),
    "outbox": Experiment(
        "kill the workers that tell a silent receiver", kill_while_the_receiver_is_silent,
        r"completed', \d+\) was told as 0 events",
    ),
}  # fmt: skip


@pytest.mark.xdist_group("chaos of processes")
@pytest.mark.parametrize("protection", PROTECTIONS)
def test_it_holds_where_it_is_protected(world: World, prove: Prove, protection: str) -> None:
    experiment = PROTECTIONS[protection]
    prove(world, experiment.name, experiment.harm)


@pytest.mark.xdist_group("chaos without")
@pytest.mark.parametrize("protection", PROTECTIONS)
def test_the_check_sees_the_harm_where_it_is_not(worlds: Worlds, protection: str) -> None:
    experiment, world = PROTECTIONS[protection], worlds.one(Unprotected)
    world.begin(SEED, experiment.name)
    with world.without(protection):
        with world.load():
            experiment.harm(world)
        found = world.check(experiment.patience)
    assert re.search(experiment.seen, str(found)), found
