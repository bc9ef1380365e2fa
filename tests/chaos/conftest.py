"""Worlds for experiments, and what proves one."""

import os
import random
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

from tests.chaos import table
from tests.chaos.found import Found
from tests.chaos.world import SECONDS, World
from tests.chaos.worlds import OnItsDisk

# Set here, so that the processes which share the experiments have the same one.
SEED = int(os.environ.setdefault("PHOTO_CHAOS_SEED", str(random.randrange(1_000_000))))
TIMES = int(os.environ.get("PHOTO_CHAOS_TIMES", "1"))

Harm = Callable[[World], None]
Prove = Callable[..., None]
W = TypeVar("W", bound=World)


def pytest_report_header() -> str:
    return f"chaos: PHOTO_CHAOS_SEED={SEED} PHOTO_CHAOS_SECONDS={SECONDS:g} PHOTO_CHAOS_TIMES={TIMES}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.weights)
        item.add_marker(pytest.mark.timeout(TIMES * (SECONDS + 400)))


class Worlds:
    """One at a time, for several experiments in turn: a house that nobody looks at would slow the others down. A new
    one comes after an experiment that failed."""

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        self.folders = folders
        self.world: World | None = None

    def one(self, kind: type[W]) -> W:
        if type(self.world) is not kind:
            self.end()
            self.world = kind(self.folders.mktemp("world"))
        assert isinstance(self.world, kind)
        return self.world

    def end(self) -> None:
        world, self.world = self.world, None
        if world:
            world.stop()


@pytest.fixture(scope="session")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    made = Worlds(tmp_path_factory)
    yield made
    made.end()


@pytest.fixture
def world(worlds: Worlds) -> OnItsDisk:
    return worlds.one(OnItsDisk)


@pytest.fixture
def prove(worlds: Worlds) -> Prove:
    """Run an experiment TIMES times, keep what came of it, and fail where anything was lost, doubled or wrong."""

    def proved(world: World, experiment: str, harm: Harm, impatience: float = 0.2) -> None:
        for seed in range(SEED, SEED + TIMES):
            try:
                once(world, experiment, seed, harm, impatience)
            except BaseException:
                worlds.end()
                raise

    return proved


def once(world: World, experiment: str, seed: int, harm: Harm, impatience: float) -> None:
    world.begin(seed, experiment)
    try:
        with world.load(impatience):
            world.pause()
            harm(world)
        found = world.check()
    except Exception as error:
        table.keep(experiment, seed, Found(wrong=[repr(error)]))
        raise
    table.keep(experiment, seed, found)
    assert found.photos, "nobody sent anything"
    assert not found.all, f"PHOTO_CHAOS_SEED={seed}, {experiment}:\n{found}"
