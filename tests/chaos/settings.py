"""The settings of a house of the experiments: those of a house in use, but for how long it waits for SQLite where
PHOTO_CHAOS_PATIENCE says that, in seconds."""

import os

from photoproc import settings

globals().update({name: value for name, value in vars(settings).items() if name.isupper()})

if (patience := os.environ.get("PHOTO_CHAOS_PATIENCE")) and "timeout" in settings.DATABASES["default"]["OPTIONS"]:
    settings.DATABASES["default"]["OPTIONS"]["timeout"] = float(patience)
