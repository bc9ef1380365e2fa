"""What the commands have in common that work on what a server keeps."""

from collections.abc import Callable
from typing import Any

import redis
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection

from processing import reach


class Command(BaseCommand):
    """Where there is no database it says so: mostly, the server's is elsewhere."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except DatabaseError:
            _ask(reach.database)
            if _is_made():
                raise
        except redis.RedisError:
            _ask(reach.redis)
            raise
        own = connection.vendor == "sqlite"
        place, setting = (settings.DATA_DIR, "PHOTO_DATA_DIR") if own else ("DATABASE_URL", "it")
        raise CommandError(f"There is no database in {place}. Is {setting} set as for the server?")


def _ask(look: Callable[[], str]) -> None:
    """Raises CommandError where it does not answer."""
    try:
        look()
    except reach.Away as away:
        raise CommandError(str(away)) from None


def _is_made() -> bool:
    try:
        return bool(connection.introspection.table_names())
    except DatabaseError:
        return False
