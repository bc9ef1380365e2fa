"""Other programs, with their tokens."""

from django.contrib.auth.models import User
from django.test import Client

from processing import tokens


def program(user: User, *scopes: str, is_narrow: bool = False) -> Client:
    """One that asks with a token of this person; it may read and write where no scopes are named."""
    made = tokens.make(user, "Shop", scopes or ("read", "write"), is_narrow=is_narrow)
    return Client(headers={"Authorization": f"Bearer {made.secret}"})
