"""Who one is."""

from typing import Any

from django.http import HttpRequest
from ninja import Router

from processing.access import is_operator
from processing.api import auth

router = Router(tags=["me"])


@router.get("me", auth=auth.READ, url_name="me")
def me(request: HttpRequest) -> Any:
    person, token = auth.owner(request), auth.token(request)
    operator = is_operator(auth.who(request))
    return {"name": person.get_username(), "is_operator": operator, "token": token and token.prefix}
