#!/usr/bin/env python
"""The command line of photoproc: `python manage.py help` lists what there is."""

import sys

if __name__ == "__main__":
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    from photoproc.start import read_settings

    read_settings()
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"The settings cannot be used: {error}.")
