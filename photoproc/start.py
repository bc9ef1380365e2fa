"""What comes first in every process: the settings are read, or it is told in a sentence why they cannot be."""

import os
import sys

from django.conf import settings


def read_settings() -> None:
    """Ends the process where a setting cannot be used, without a stack trace."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "photoproc.settings")
    try:
        settings.DEBUG  # noqa: B018  Django reads the settings at the first look
    except Exception as error:
        sys.exit(f"The settings cannot be used: {error}")
