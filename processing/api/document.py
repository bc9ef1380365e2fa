"""The OpenAPI document of the API: what ninja reads from the operations, and what holds for all of them."""

import hashlib
import json
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe
from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation

from processing.api import auth, problems
from processing.errors import KINDS, PhotoError

ABOUT = """Send photos, watch them, fetch what became of them.

A token says who asks: make one on the page *Tokens* or with `POST /api/v1/tokens`, and send it as
`Authorization: Bearer …` or `X-Api-Key: …`. Beside each scheme stand the scopes that an operation needs. A page of this
server may use its session instead, with `X-CSRFToken` wherever something is changed.

Every error is an `application/problem+json` (RFC 9457): act on its `code`, show its `detail`. A POST that creates takes
an `Idempotency-Key`, so that it can be sent again without harm; all but `POST /api/v1/tokens`, as the secret that it
answers with is not kept. Lists come in pages: follow `next` until it is null.
"""
TAGS = {
    "me": "Who asks, what this server takes, and tokens.",
    "jobs": "What was handed over in one go, with one recipe.",
    "uploads": "Photos one by one: their state, their files, what is done with them.",
    "products": "The rows of a product CSV.",
    "catalogue": "The models that are installed, and what a recipe can say.",
    "webhooks": "Addresses that are told what happens, and what they were told.",
    "queue": "Everybody's photos, for operators.",
    "health": "Whether the server is ready to work.",
}
SESSION = {
    "type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME,
    "description": "That of somebody who signed in. What changes something also needs `X-CSRFToken`.",
}  # fmt: skip
# These say in Location where what they made is found.
LOCATED = ("create_job", "add_to_job", "create_upload", "create_background")
JSON = "application/json"
Node = dict[str, Any]


class _Schema(OpenAPISchema):
    """Ninja's, but of two different schemas with one name the first is not lost silently."""

    def add_schema_definitions(self, definitions: Node) -> None:
        _add(definitions, self.schemas)


def _add(definitions: Node, schemas: Node) -> None:
    """Raises ValueError where two different ones have the same name."""
    for name, definition in definitions.items():
        if schemas.setdefault(name, definition) != definition:
            raise ValueError(f"Two schemas of the API are called {name}.")


class Documented(NinjaAPI):
    """An API whose document says all that a caller needs to know."""

    @cached_property
    def document(self) -> tuple[bytes, str]:
        """As it goes out, and its ETag. It is the same until the server starts anew."""
        body = json.dumps(self.get_openapi_schema()).encode()
        return body, f'"{hashlib.sha256(body).hexdigest()[:32]}"'

    def get_openapi_schema(self, **_: Any) -> Any:
        schema = _Schema(self, self.get_root_path({}))
        asked = {one.operation_id: one for one in self._operations()}
        used: set[str] = set()
        for path, operations in schema["paths"].items():
            operations.pop("head", None)  # as get, without a body
            for method, operation in operations.items():
                used.update(operation.get("tags", []))
                _complete(operation, method, path, asked[operation["operationId"]])
        schemas = schema["components"]["schemas"]
        _hoist(schema["paths"], schemas)
        for content in _contents(schema["paths"]):
            content.setdefault("example", example_of(content.get("schema", {}), schemas))
        schema["components"] |= {
            "schemas": schemas | {"Problem": PROBLEM}, "responses": _responses(), "headers": HEADERS,
            "securitySchemes": {**auth.SCHEMES, "session": SESSION},
        }  # fmt: skip
        schema["servers"] = [{"url": settings.URL, "description": "This server"}]
        schema["tags"] = [{"name": name, "description": about} for name, about in TAGS.items() if name in used]
        return schema

    def _operations(self) -> Iterator[Operation]:
        for router in self._get_bound_routers():
            for view in router.path_operations.values():
                yield from view.operations


@login_not_required
@require_safe
def served(request: HttpRequest, api: Documented) -> HttpResponseBase:
    body, etag = api.document
    response = get_conditional_response(request, etag) or HttpResponse(body, JSON)
    response["ETag"], response["Cache-Control"] = etag, "no-cache"
    return response


# ---- what holds for every operation --------------------------------------------------------------------------------


def _complete(operation: Node, method: str, path: str, asked: Operation) -> None:
    operation["security"] = _security(asked)
    operation["responses"] = {str(status): answer for status, answer in operation["responses"].items()}
    for status, answer in operation["responses"].items():
        if status < "400":
            answer["headers"] = _headers(status, answer, operation["operationId"])
    for status in _troubles(operation, method, path):
        operation["responses"].setdefault(status, {"$ref": f"#/components/responses/{status}"})


def _security(asked: Operation) -> list[Node]:
    """Each scheme with the scope that is needed; nothing where nobody is asked who he is."""
    needs = [one for one in asked.auth_callbacks if isinstance(one, auth.Needs)]
    found: list[Node] = [{name: [need.scope.value]} for need in needs for name in auth.SCHEMES]
    found += [{"session": []} for _ in needs]
    return found + [{} for need in needs if isinstance(need, auth.OrPassword)]


def _headers(status: str, answer: Node, operation_id: str) -> Node:
    names = ["RateLimit", "RateLimit-Policy"] + ["Location"] * (operation_id in LOCATED or status == "302")
    if any(kind.startswith("image/") for kind in answer.get("content", {})):
        names += ["X-Width", "X-Height", "X-Model", "X-Processing-Time"]
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _troubles(operation: Node, method: str, path: str) -> list[str]:
    """The errors that the operation can answer with, as statuses."""
    has_body = "requestBody" in operation
    applies = {
        "401": bool(operation["security"]), "403": bool(operation["security"]), "404": "{" in path,
        "409": method != "get" and bool(operation["security"]), "413": has_body, "415": has_body,
        "422": has_body or bool(operation.get("parameters")), "429": True, "default": True,
    }  # fmt: skip
    return [status for status, does in applies.items() if does]


# ---- the parts that all share --------------------------------------------------------------------------------------


def _header(about: str, example: str, type_: str = "string") -> Node:
    return {"description": about, "schema": {"type": type_}, "example": example}


HEADERS = {
    "Location": _header("Where what was made, or the file, is found.", "https://photos.example.com/api/v1/jobs/3"),
    "Retry-After": _header("Seconds until it is worth to try again.", "7"),
    "RateLimit": _header("What is left of each window, and the seconds until it is full again.", '"second";r=49;t=1'),
    "RateLimit-Policy": _header("How many requests each window takes, and its seconds.", '"second";q=50;w=1'),
    "X-Width": _header("px", "1200"), "X-Height": _header("px", "1200"),
    "X-Model": _header("Which found the subject.", "u2netp"), "X-Processing-Time": _header("Seconds of work.", "1.42"),
}  # fmt: skip
PROBLEM: Node = {
    "type": "object", "title": "Problem", "description": "What went wrong, as RFC 9457 has it.",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string", "const": "about:blank"},
        "title": {"type": "string", "description": "The name of the status."},
        "status": {"type": "integer"},
        "code": {"type": "string", "enum": list(KINDS), "description": "Stable: act on it."},
        "detail": {"type": "string", "description": "A sentence for people, and what to do."},
        "errors": {"type": "array", "items": {
            "type": "object", "required": ["detail", "pointer"],
            "properties": {
                "detail": {"type": "string"},
                "pointer": {"type": "string", "description": "The field, as RFC 6901 has it."},
            },
        }},
    },
}  # fmt: skip
TROUBLES = {
    "401": PhotoError("not_authenticated", reason="There is no such token"),
    "403": PhotoError("scope_missing", scope="write"),
    "404": PhotoError("not_found", reason="There is no such job here"),
    "409": PhotoError("request_in_progress"),
    "413": PhotoError("body_too_large", limit=1100),
    "415": PhotoError("unsupported_media_type", type="text/plain", allowed=JSON),
    "422": problems.Invalid([{"detail": "That is too much: 100 at most.", "pointer": "#/quality"}]),
    "429": PhotoError("rate_limited", seconds=7),
    "default": PhotoError("storage_unavailable"),
}
MEANINGS = {
    "401": "Nobody is known by what was sent", "403": "The token lacks a scope, or one may not do this",
    "404": "There is none, or it is somebody else's", "409": "It does not go together with how things stand",
    "413": "Too large", "415": "Neither JSON nor a form", "422": "What was sent does not fit",
    "429": "Too many requests, or more than one may send", "default": "Anything else that went wrong",
}  # fmt: skip


def _responses() -> Node:
    return {status: _problem(status, error) for status, error in TROUBLES.items()}


def _problem(status: str, error: PhotoError) -> Node:
    example = json.loads(problems.of(error).content)
    content = {problems.CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}}
    again = {"headers": {"Retry-After": {"$ref": "#/components/headers/Retry-After"}}} if error.transient else {}
    return {"description": MEANINGS[status], "content": content, **again}


# ---- examples, and schemas that others refer to --------------------------------------------------------------------


def _contents(paths: Node) -> Iterator[Node]:
    """What goes in and comes out, by operation and type of content."""
    for operations in paths.values():
        for operation in operations.values():
            for part in (operation.get("requestBody", {}), *operation["responses"].values()):
                yield from part.get("content", {}).values()


def _hoist(node: Any, schemas: Node) -> None:
    """pydantic puts what a schema refers to inside it; in an OpenAPI document it belongs to the components."""
    if isinstance(node, dict):
        _add(node.pop("$defs", {}), schemas)
        if str(node.get("$ref", "")).startswith("#/$defs/"):
            node["$ref"] = node["$ref"].replace("#/$defs/", "#/components/schemas/")
    if isinstance(node, dict | list):
        for inner in node.values() if isinstance(node, dict) else node:
            _hoist(inner, schemas)


def example_of(schema: Node, schemas: Node) -> Any:
    """Its first example; where it has none, one made of those of its parts."""
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    for word in ("examples", "enum", "anyOf"):
        if schema.get(word):
            return example_of(schema[word][0], schemas) if word == "anyOf" else schema[word][0]
    if "default" in schema or "const" in schema:
        return schema.get("default", schema.get("const"))
    match schema.get("type"):
        case "object":
            return {name: example_of(part, schemas) for name, part in schema.get("properties", {}).items()}
        case "array":
            return [example_of(schema["items"], schemas)]
    return {"integer": 1, "number": 1.0, "boolean": True, "null": None}.get(schema.get("type", ""), "…")
