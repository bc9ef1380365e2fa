"""Tests of one `xdist_group` go to one of the processes that share the tests: they share a house, or would disturb each
other. pytest-xdist tells the groups by the names of tests, and since 9.2 pytest does not let it change those as it does
(pytest-dev/pytest-xdist#1386): what it meant is done here, else every module's house is started in each process."""

from typing import Any

import pytest

FIRST = "kills"  # the longest group: what else there is fills the other processes meanwhile


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[Any]) -> None:
    items.sort(key=lambda item: FIRST not in [mark.args[0] for mark in item.iter_markers("xdist_group")])
    for item in items:
        if name := getattr(item, "_nodeid", ""):
            item._id = type(item._id).parse(name)
