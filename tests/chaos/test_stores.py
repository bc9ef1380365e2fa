"""What the house keeps all in goes away: PostgreSQL, and the bucket of its files."""

import time

import pytest

from tests import postgres
from tests.chaos.conftest import Prove, Worlds
from tests.chaos.test_processes import STOPPED, kill_one_of_each
from tests.chaos.world import SECONDS
from tests.chaos.worlds import AWAY, LEFT_BY_ALL, InABucket, OnPostgres

# ---- PostgreSQL ------------------------------------------------------------------------------------------------------

of_postgres = pytest.mark.xdist_group("chaos of PostgreSQL")


@pytest.fixture
def on_postgres(worlds: Worlds) -> OnPostgres:
    if postgres.programs() is None:
        pytest.skip("There is no PostgreSQL.")
    return worlds.one(OnPostgres)


@of_postgres
def test_postgresql_is_stopped(on_postgres: OnPostgres, prove: Prove) -> None:
    def harm(world: OnPostgres) -> None:
        world.may_leave = LEFT_BY_ALL
        world.database.freeze()
        time.sleep(AWAY)
        world.database.thaw()

    prove(on_postgres, f"stop PostgreSQL for {AWAY} s", harm)


@of_postgres
def test_postgresql_is_killed(on_postgres: OnPostgres, prove: Prove) -> None:
    def harm(world: OnPostgres) -> None:
        world.may_leave = LEFT_BY_ALL
        world.database.kill()
        time.sleep(SECONDS)
        world.database.begin()

    prove(on_postgres, "kill PostgreSQL, which begins anew", harm)


# ---- the bucket ------------------------------------------------------------------------------------------------------

of_buckets = pytest.mark.xdist_group("chaos of buckets")


@pytest.fixture
def in_a_bucket(worlds: Worlds) -> InABucket:
    return worlds.one(InABucket)


@of_buckets
def test_workers_are_killed_whose_files_lie_in_a_bucket(in_a_bucket: InABucket, prove: Prove) -> None:
    prove(in_a_bucket, "kill workers whose files lie in a bucket", kill_one_of_each)


@of_buckets
def test_the_bucket_goes_away(in_a_bucket: InABucket, prove: Prove) -> None:
    """First it is silent, then nobody is there."""

    def harm(world: InABucket) -> None:
        world.may_leave = LEFT_BY_ALL
        world.relay.freeze()
        time.sleep(STOPPED / 2)
        world.relay.kill()
        time.sleep(SECONDS)
        world.relay.start()

    prove(in_a_bucket, "the bucket is silent, then away", harm)
