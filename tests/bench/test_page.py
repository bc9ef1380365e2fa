"""The page about scaling says what was measured."""

from bench import page
from bench.read import Costs


def test_the_tables_are_those_of_the_figures() -> None:
    text = page.PAGE.read_text()
    assert text == page.filled(text, Costs.read()), "run .venv/bin/python -m bench.page"


def test_every_table_has_its_place() -> None:
    assert [found[1] for found in page.BLOCK.findall(page.PAGE.read_text())] == list(page.BLOCKS)
