"""Counters for Prometheus, kept in Redis so that all processes and machines share them; losing them is a reset."""


def count(name: str, amount: float = 1, **labels: str) -> None:
    """After the commit, add to a counter. Works while Redis is down, only uncounted."""


def observe(name: str, value: float, **labels: str) -> None:
    """After the commit, put a value into a histogram."""
