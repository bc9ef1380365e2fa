"""`Idempotency-Key`: the same request sent twice creates once (draft-ietf-httpapi-idempotency-key-header).

A key is its token's, or that of all sessions of the person: a narrow token never hears what another one was answered.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from typing import Any

from django.http import HttpRequest
from django.utils.datastructures import MultiValueDict
from pydantic import BaseModel

from processing.api import auth
from processing.api.body import Files
from processing.api.problems import Invalid, pointer
from processing.intake import arriving, receipts

HEADER = "Idempotency-Key"
LONGEST = 255
PARAMETER = {
    "parameters": [{
        "in": "header", "name": HEADER, "required": False, "schema": {"type": "string", "maxLength": LONGEST},
        "description": "A text of your choice. The same request with the same key creates once, and is answered alike.",
    }]
}  # fmt: skip


def keys(request: HttpRequest, sent: BaseModel, files: "Files | None" = None) -> Any:
    """`key` and `fingerprint`, as intake takes them; nothing where no key came. Raises Invalid."""
    said = request.headers.get(HEADER, "").strip()
    if not said:
        return {}
    if len(said) > LONGEST or not said.isprintable():
        detail = f"A key has at most {LONGEST} characters, all of which can be seen."
        raise Invalid([{"detail": detail, "pointer": pointer(["header", HEADER])}])
    token = auth.token(request)
    key = f"{f'token {token.pk}' if token else 'session'} {said}"
    return {"key": key, "fingerprint": _fingerprint(request, sent, files or MultiValueDict())}


def answer(
    request: HttpRequest, sent: BaseModel, work: Callable[[], dict[str, Any]], files: "Files | None" = None
) -> dict[str, Any]:
    """What `work` answers, or what it answered to the same key before, for what is no job. `work` and its receipt are
    one transaction.

    Raises Invalid, and PhotoError `request_in_progress`, `idempotency_key_reused`.
    """
    asked = keys(request, sent, files)
    return receipts.json_once(auth.owner(request), work, **asked) if asked else work()


def _fingerprint(request: HttpRequest, sent: BaseModel, files: Files) -> str:
    """Of the method, the address, the fields, and each file's field, name and content."""
    whole = hashlib.sha256()
    for part in (request.method, request.path, sent.model_dump(mode="json", exclude_unset=True), *_files(files)):
        whole.update(json.dumps(part, sort_keys=True).encode() + b"\n")
    return whole.hexdigest()


def _files(files: Files) -> Iterable[list[str]]:
    for field, some in sorted(files.lists()):
        for file in some:
            yield [field, file.name or "", arriving.sha256(file)]
            file.seek(0)
