"""What the house depends on and does not answer is left alone: a row per name, changed by conditional UPDATEs.

Closed: it is used. Open: nobody asks it, and what needs it waits (`ledger.parked`). Half open: one is let through.
"""

from collections.abc import Iterable

from processing.models import Breaker

STORAGE = "storage"


def fetch(host: str) -> str:
    return f"fetch:{host}"


def model(name: str) -> str:
    return f"model:{name}"


def hooks(host: str) -> str:
    return f"hooks:{host}"


def failed(name: str, reason: str) -> bool:
    """Count a failure; so many in a row within the window open it. Gives whether it is left alone from now on."""
    raise NotImplementedError


def succeeded(names: Iterable[str]) -> None:
    """They answered: failures are forgotten, and what was half open closes."""
    raise NotImplementedError


def open_ones() -> dict[str, Breaker]:
    """Those that are not closed, by name."""
    return {row.name: row for row in Breaker.objects.exclude(state=Breaker.State.CLOSED)}
