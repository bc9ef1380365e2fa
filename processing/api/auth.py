"""Who asks: a program with a token, or a page of ours with a session and its CSRF token."""

from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest
from ninja.security.base import AuthBase
from ninja.utils import check_csrf

from processing import tokens
from processing.access import Person, is_operator
from processing.api import rates
from processing.errors import PhotoError
from processing.models import Scope, Token

SCHEMES = {
    "token": {"type": "http", "scheme": "bearer", "description": "A token from the page Tokens."},
    "key": {"type": "apiKey", "in": "header", "name": "X-Api-Key", "description": "The same token."},
}


class Needs(AuthBase):
    """`request.auth` is then the token, or the person of the session.

    Raises PhotoError `not_authenticated`, `scope_missing`, `not_permitted`; `rate_limited` where that comes too often.
    """

    openapi_type = "http"
    openapi_scheme = "bearer"

    def __init__(self, scope: Scope) -> None:
        super().__init__()
        self.scope = scope

    def __call__(self, request: HttpRequest) -> Person:
        try:
            return self.found(request)
        except PhotoError:
            if not rates.count(request):
                raise rates.refusal(request) from None
            raise

    def found(self, request: HttpRequest) -> Person:
        secret = tokens.secret_in(request.headers)
        person = self.of_token(tokens.find(secret)) if secret else self.of_session(request)
        if self.scope == Scope.QUEUE and not is_operator(person):
            raise PhotoError("not_permitted", reason="This is for operators")
        return person

    def of_token(self, token: Token) -> Token:
        if self.scope not in token.scopes:
            raise PhotoError("scope_missing", scope=self.scope)
        return token

    def of_session(self, request: HttpRequest) -> Person:
        if not isinstance(request.user, User):
            raise PhotoError("not_authenticated", reason="There is no token")
        if check_csrf(request):
            raise PhotoError("not_permitted", reason="The CSRF token is missing or old")
        return request.user


class OrPassword(Needs):
    """Also lets in who has neither token nor session: the operation looks at a name and a password itself."""

    def of_session(self, request: HttpRequest) -> Person:
        return super().of_session(request) if request.user.is_authenticated else AnonymousUser()


READ, WRITE, QUEUE = Needs(Scope.READ), Needs(Scope.WRITE), Needs(Scope.QUEUE)
WRITE_OR_PASSWORD = OrPassword(Scope.WRITE)


def who(request: HttpRequest) -> Person:
    """Whom `Needs` found: what `access` is asked with."""
    return request.auth  # type: ignore[attr-defined,no-any-return]


def owner(request: HttpRequest) -> User:
    """Whose jobs are made: the person, or the token's owner. Raises PhotoError `not_authenticated`."""
    found = who(request)
    person = found.owner if isinstance(found, Token) else found
    if not isinstance(person, User):
        raise PhotoError("not_authenticated", reason="There is no token")
    return person


def token(request: HttpRequest) -> Token | None:
    """With which a job is made, where it is one."""
    found = who(request)
    return found if isinstance(found, Token) else None
