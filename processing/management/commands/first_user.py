"""Make the first superuser, on a house that has no user yet, and the group of operators, on any."""

import os
import secrets

from django.contrib.auth.models import User
from django.db import transaction

from processing import steering
from processing.management import base

NAME = "admin"


class Command(base.Command):
    help = (
        f"Make the superuser {NAME} when there is no user at all, and the group {steering.GROUP}. "
        "PHOTO_ADMIN_PASSWORD sets the password."
    )

    def handle(self, *args: object, **options: object) -> None:
        chosen = os.environ.get("PHOTO_ADMIN_PASSWORD", "")
        password = chosen or secrets.token_urlsafe(12)
        with transaction.atomic():  # two first starts at once make one user
            steering.operators()
            if User.objects.exists():
                return
            User.objects.create_superuser(NAME, password=password)
        shown = "that PHOTO_ADMIN_PASSWORD set" if chosen else f"{password} (it is shown only this once)"
        self.stdout.write(f"Sign in as {NAME} with the password {shown}.")
