"""The page about scaling says what was measured."""

import copy

import pytest

from bench import ends, page
from bench.read import Costs
from bench.table import whole


def test_the_tables_are_those_of_the_figures() -> None:
    text = page.PAGE.read_text()
    assert text == page.filled(text, Costs.read()), "run .venv/bin/python -m bench.page"


def test_every_table_has_its_place() -> None:
    assert [found[1] for found in page.BLOCK.findall(page.PAGE.read_text())] == list(page.BLOCKS)


@pytest.mark.parametrize(("load", "is_said"), [(1.0, False), (1.1, True)])
def test_the_page_says_when_the_machine_was_at_other_work(load: float, is_said: bool) -> None:
    costs = Costs.read()
    costs.found["machine"] |= {"load": load, "cores": 2}
    assert (page.BUSY in page.machine(costs)) is is_said


def test_the_ends_stand_in_the_order_of_the_figures() -> None:
    costs = Costs(copy.deepcopy(Costs.read().found))
    costs.found["rows"]["postgres"]["lives"] = {"1": 0.01}
    assert next(end.part for end in ends.ends(costs)) == "PostgreSQL"
    assert "**The first end: PostgreSQL.**" in ends.limits(costs)


@pytest.mark.parametrize(("value", "number"), [(0.02, 1), (2.3, 3), (99.1, 100), (375, 380), (37_417, 38_000)])
def test_what_is_bought_is_rounded_up(value: float, number: int) -> None:
    assert whole(value) == number
