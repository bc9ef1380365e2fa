"""manage.py token: make, list and revoke tokens."""

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from processing import tokens
from processing.errors import PhotoError
from processing.management import base
from processing.models import Scope, Token


class Command(base.Command):
    help = "Make a token for a program and print its secret, which is not kept; list tokens; revoke one."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        make = verbs.add_parser("make", help="prints the secret alone")
        make.add_argument("user", metavar="USER", help="whose it is")
        make.add_argument("name", metavar="NAME", help="which program uses it")
        make.add_argument(
            "--scope", dest="scopes", action="append", choices=Scope.values,
            help="may be given several times; else read and write",
        )  # fmt: skip
        make.add_argument("--days", type=_days, help="so long it works; else until it is revoked")
        make.add_argument("--narrow", action="store_true", help="sees only the jobs that were made with it")
        listed = verbs.add_parser("list", help="those that work")
        listed.add_argument("user", metavar="USER", nargs="?", help="of this person alone")
        revoke = verbs.add_parser("revoke", help="it stops working at once")
        revoke.add_argument("prefix", metavar="PREFIX", help=f"as list shows it: {tokens.BEGINNING}…")

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        if verb == "make":
            self._make(**{name: options[name] for name in ("user", "name", "scopes", "days", "narrow")})
        elif verb == "list":
            self._list(options["user"])
        else:
            self._revoke(options["prefix"])

    def _make(self, user: str, name: str, scopes: list[str] | None, days: int | None, narrow: bool) -> None:
        ends = None if days is None else timezone.now() + timedelta(days=days)
        wanted = scopes or [Scope.READ, Scope.WRITE]
        try:
            made = tokens.make(_person(user), name, wanted, expires_at=ends, is_narrow=narrow)
        except PhotoError as error:
            raise CommandError(error.detail) from None
        self.stdout.write(made.secret)

    def _list(self, user: str | None) -> None:
        rows = Token.objects.filter(tokens.usable()).select_related("owner").order_by("pk")
        for token in rows.filter(owner=_person(user)) if user else rows:
            narrow = ", narrow" if token.is_narrow else ""
            ends = f"until {token.expires_at:%Y-%m-%d %H:%M}" if token.expires_at else "does not expire"
            used = f"used {token.used_at:%Y-%m-%d %H:%M}" if token.used_at else "not used yet"
            who = f"{token.prefix}  {token.owner.get_username()}  {token.name}"
            self.stdout.write(f"{who}  {', '.join(token.scopes)}{narrow}  {ends}  {used}")

    def _revoke(self, prefix: str) -> None:
        token = Token.objects.filter(prefix=prefix.rstrip("…")).first()
        if token is None:
            raise CommandError(f"There is no token {prefix}.")
        self.stdout.write("Revoked." if tokens.revoke(token) else "It was revoked already.")


def _days(text: str) -> int:
    """From 1 day to 10 years."""
    days = int(text)
    if not 1 <= days <= 3650:
        raise ValueError
    return days


def _person(name: str) -> User:
    found = User.objects.filter(username=name, is_active=True).first()
    if found is None:
        raise CommandError(f"There is no user {name}.")
    return found
