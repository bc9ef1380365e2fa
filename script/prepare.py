"""The part of script/setup that needs Django: each step named on the command line, in one process to be quick."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "photoproc.settings")


def main(steps: list[str]) -> None:
    import django
    from django.core.management import CommandError, call_command
    from django.db import DatabaseError

    django.setup()
    commands: dict[str, tuple[str, dict[str, object]]] = {
        "weights": ("fetch_weights", {}),
        "database": ("migrate", {"verbosity": 0}),
        "user": ("first_user", {}),
        "static": ("collectstatic", {"interactive": False, "verbosity": 0}),
    }
    for step in steps:
        command, options = commands[step]
        try:
            call_command(command, **options)
        except (CommandError, DatabaseError, OSError) as error:
            sys.exit(f"{command}: {error}")


def read_settings() -> None:
    """Settings of a wrong type or an unusable data folder are told in a sentence, not in a stack trace."""
    from django.conf import settings

    try:
        settings.DEBUG  # noqa: B018  Django reads the settings at the first look
    except Exception as error:
        sys.exit(f"The settings cannot be used: {error}")


if __name__ == "__main__":
    read_settings()
    main(sys.argv[1:])
