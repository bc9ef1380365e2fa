"""Who one is, what this house takes, and the tokens with which programs come in."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from ninja import Query, Router, Schema, Status
from pydantic import ConfigDict, Field, model_validator

from processing import access, allowances, header, tokens
from processing.api import auth, body, pages
from processing.api.problems import Invalid, pointer
from processing.api.shapes.webhook import SECRET
from processing.errors import PhotoError
from processing.hooks import signing
from processing.models import Scope, Token

router = Router(tags=["me"])

LONGEST_LIFE = 10 * 365 * 86400  # seconds
NARROW_LIFE = 3600
SHOP: dict[str, Any] = {
    "id": 4, "name": "Shop", "prefix": "pho_9xQ2mK1a", "scopes": ["read", "write"], "narrow": False,
    "created_at": "2026-03-01T09:00:00Z", "expires_at": "2026-03-31T09:00:00Z", "last_used_at": None,
    "revoked_at": None,
}  # fmt: skip
LIMITS: dict[str, Any] = {
    "formats": list(header.FORMATS), "min_side": 50, "max_side": 4096, "max_pixels": header.MOST_PIXELS,
    "max_file_bytes": 10_000_000, "max_files": 100, "max_body_bytes": 1_100_000_000,
    "max_archive_bytes": 10_000_000_000, "max_archive_entries": 10_000, "max_csv_bytes": 20_000_000,
    "max_csv_rows": 10_000,
}  # fmt: skip


ALLOWED: dict[str, Any] = {"used": 480, "limit": 500}
ALLOWANCES: dict[str, Any] = {"photos_a_day": ALLOWED, "stored_bytes": None, "photos_in_flight": None}


class Shown(Schema):
    """A token without its secret. A narrow one sees only the jobs that were made with it."""

    model_config = ConfigDict(json_schema_extra={"examples": [SHOP]})

    id: int
    name: str
    prefix: str = Field(description="How its secret begins.")
    scopes: list[Scope]
    narrow: bool
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute.")
    revoked_at: datetime | None


class MadeToken(Shown):
    model_config = ConfigDict(json_schema_extra={"examples": [SHOP | {"token": "pho_9xQ2mK1aW0c-ThisIsShownOnce"}]})

    token: str = Field(description="The secret. It is shown this once.")


class Limits(Schema):
    """What may be sent here: sides in px, sizes in bytes; the archive's are those of a ZIP once it is unpacked."""

    model_config = ConfigDict(json_schema_extra={"examples": [LIMITS]})

    formats: list[str]
    min_side: int
    max_side: int
    max_pixels: int
    max_file_bytes: int
    max_files: int = Field(description="In one request.")
    max_body_bytes: int
    max_archive_bytes: int
    max_archive_entries: int
    max_csv_bytes: int
    max_csv_rows: int


class Allowed(Schema):
    model_config = ConfigDict(json_schema_extra={"examples": [ALLOWED]})

    used: int
    limit: int


class Allowances(Schema):
    """What one person may send, and what of it is used; null is no limit. A door answers `limit_reached` past it."""

    model_config = ConfigDict(json_schema_extra={"examples": [ALLOWANCES]})

    photos_a_day: Allowed | None = None
    stored_bytes: Allowed | None = None
    photos_in_flight: Allowed | None = Field(None, description="Those that wait or run at one time.")


class Me(Schema):
    model_config = ConfigDict(json_schema_extra={
        "examples": [{
            "name": "kim", "is_operator": False, "token": SHOP, "signing_secret": SECRET, "limits": LIMITS,
            "allowances": ALLOWANCES, "version": "0.2.0",
        }]
    })  # fmt: skip

    name: str
    is_operator: bool = Field(description="May see everybody's and steer the queue.")
    token: Shown | None = Field(description="That of this request.")
    signing_secret: str | None = Field(
        description="With which callbacks of jobs are signed. Null for a token that is narrow or may not write."
    )
    limits: Limits
    allowances: Allowances | None = Field(description="Those of the person. Null for a narrow token.")
    version: str


class TokenAsked(Schema):
    """What a new token is to be. `username` and `password` where the request has no token and no session."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [
        {"username": "kim", "password": "a long password", "name": "Shop", "scopes": ["read", "write"]},
        {"name": "Visitor", "scopes": ["read", "write"], "expires_in": 3600},
    ]})  # fmt: skip

    username: str | None = Field(None, min_length=1, max_length=150)
    password: str | None = Field(None, min_length=1, max_length=4096)
    name: str = Field("Token", max_length=tokens.NAME_LENGTH)
    scopes: body.Many[Scope] = Field([Scope.READ, Scope.WRITE], min_length=1, max_length=len(Scope))
    expires_in: int | None = Field(
        None, ge=60, le=LONGEST_LIFE, description="Seconds. Else it lasts until revoked; made with a token, an hour."
    )
    narrow: bool = Field(False, description="What is made with a token is always narrow.")

    @model_validator(mode="after")
    def both(self) -> "TokenAsked":
        if (self.username is None) != (self.password is None):
            raise ValueError("Send username and password, or neither.")
        return self


def shown(rows: list[Token]) -> list[dict[str, Any]]:
    return [
        {
            "id": token.pk, "name": token.name, "prefix": token.prefix, "scopes": token.scopes,
            "narrow": token.is_narrow, "created_at": token.created_at, "expires_at": token.expires_at,
            "last_used_at": token.used_at, "revoked_at": token.revoked_at,
        }
        for token in rows
    ]  # fmt: skip


@router.get(
    "me", auth=auth.READ, url_name="v1-me", operation_id="get_me", summary="Who asks, and what may be sent",
    response=Me,
)  # fmt: skip
def me(request: HttpRequest) -> Any:
    """The person, the token of this request, the secret of their callbacks, the limits of this house, and theirs."""
    person, token = auth.owner(request), auth.token(request)
    may_know = token is None or (Scope.WRITE in token.scopes and not token.is_narrow)
    return {
        "name": person.get_username(), "is_operator": access.is_operator(auth.who(request)),
        "token": shown([token])[0] if token else None,
        "signing_secret": signing.secret_of(person) if may_know else None, "limits": limits(),
        "allowances": None if token and token.is_narrow else allowances.of(person.pk), "version": settings.VERSION,
    }  # fmt: skip


def limits() -> dict[str, Any]:
    return {
        "formats": header.FORMATS, "max_pixels": header.MOST_PIXELS, "min_side": settings.MIN_SIDE,
        "max_side": settings.MAX_SIDE, "max_file_bytes": settings.MAX_FILE_BYTES, "max_files": settings.MAX_FILES,
        "max_body_bytes": settings.MAX_BODY_BYTES, "max_archive_bytes": settings.MAX_ARCHIVE_BYTES,
        "max_archive_entries": settings.MAX_ARCHIVE_ENTRIES, "max_csv_bytes": settings.MAX_CSV_BYTES,
        "max_csv_rows": settings.MAX_CSV_ROWS,
    }  # fmt: skip


@router.post(
    "tokens", auth=auth.WRITE_OR_PASSWORD, url_name="v1-tokens", operation_id="create_token", summary="Make a token",
    response={201: MadeToken}, openapi_extra=body.described(TokenAsked),
)  # fmt: skip
@sensitive_variables("asked")
def make(request: HttpRequest) -> Any:
    """With a name and a password, or from a page of one's own, any token; with a token a narrow one, for 24 hours at
    most and with no scope that its maker lacks: put that into a web page. The secret is in this answer alone and is not
    kept, so there is no `Idempotency-Key` here: the same request sent again makes another token.
    """
    asked, _ = body.read(request, TokenAsked)
    made = _made(request, asked)
    return Status(201, shown([made.token])[0] | {"token": made.secret})


def _made(request: HttpRequest, asked: TokenAsked) -> tokens.Made:
    if asked.username is not None:
        person = _signed_in(request, asked)
    elif maker := auth.token(request):
        if "narrow" in asked.model_fields_set and not asked.narrow:
            raise Invalid([{"detail": "What a token makes is narrow.", "pointer": pointer(["narrow"])}])
        return tokens.make_with(maker, asked.name, asked.scopes, timedelta(seconds=asked.expires_in or NARROW_LIFE))
    else:
        person = auth.owner(request)
    ends = timezone.now() + timedelta(seconds=asked.expires_in) if asked.expires_in else None
    return tokens.make(person, asked.name, asked.scopes, expires_at=ends, is_narrow=asked.narrow)


def _signed_in(request: HttpRequest, asked: TokenAsked) -> User:
    """Too many wrong passwords lock the name and the address, and django-axes answers 429."""
    person = authenticate(request, username=asked.username, password=asked.password)
    if not isinstance(person, User):
        raise PhotoError("not_authenticated", reason="Name and password do not match")
    return person


@router.get(
    "tokens", auth=auth.READ, url_name="v1-tokens", operation_id="list_tokens", summary="List tokens",
    response=pages.Page[Shown],
)  # fmt: skip
def listed(request: HttpRequest, asked: Query[pages.Asked]) -> Any:
    """One's own, newest first, also those that work no more. A narrow token sees itself alone."""
    return pages.page(request, asked, access.tokens(auth.who(request)), "-pk", shown)


@router.delete(
    "tokens/{int:token_id}", auth=auth.WRITE, url_name="v1-token", operation_id="revoke_token",
    summary="Revoke a token", response={204: None},
)  # fmt: skip
def revoke(request: HttpRequest, token_id: int) -> Any:
    """It stops working at once. Jobs that were made with it stay. A narrow token revokes none, as whoever sees the page
    has it."""
    access.need_wide(auth.who(request))
    tokens.revoke(access.token(auth.who(request), token_id))
    return Status(204, None)
