"""What the commands have in common that work on what a server keeps."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection


class Command(BaseCommand):
    """Where there is no database it says so: mostly, the server's is elsewhere."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except DatabaseError:
            if _is_made():
                raise
        own = connection.vendor == "sqlite"
        place, setting = (settings.DATA_DIR, "PHOTO_DATA_DIR") if own else ("DATABASE_URL", "it")
        raise CommandError(f"There is no database in {place}. Is {setting} set as for the server?")


def _is_made() -> bool:
    try:
        return bool(connection.introspection.table_names())
    except DatabaseError:
        return False
