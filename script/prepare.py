"""The part of script/setup that needs Django: each step named on the command line, in one process to be quick."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from photoproc.start import read_settings  # noqa: E402


def main(steps: list[str]) -> None:
    import django
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import CommandError, call_command
    from django.db import DatabaseError

    step = "settings"
    try:
        django.setup()
        from processing import public, reach, schema

        commands: dict[str, Callable[[], object]] = {
            "weights": lambda: call_command("fetch_weights"),
            "redis": lambda: os.environ.get("REDIS_URL") and reach.redis(),  # our own is not started yet
            "database": in_turn(reach.database, schema.migrate, public.tell_url),
            "storage": lambda: tell(reach.storage),
            "user": lambda: call_command("first_user"),
            "static": lambda: call_command("collectstatic", interactive=False, verbosity=0),
        }
        for step in steps:
            commands[step]()
    except reach.Away as away:
        sys.exit(str(away))
    except (CommandError, DatabaseError, ImproperlyConfigured, OSError) as error:
        sys.exit(f"{step}: {error}")


def in_turn(*steps: Callable[[], object]) -> Callable[[], object]:
    return lambda: [step() for step in steps]


def tell(look: Callable[[], str]) -> None:
    """What is wrong is said; the house starts all the same: its pages say so too, and its work waits. But not with
    another place than that of its files."""
    from processing import reach

    try:
        look()
    except reach.Elsewhere:
        raise
    except reach.Away as away:
        print(away, file=sys.stderr)


if __name__ == "__main__":
    read_settings()
    main(sys.argv[1:])
