"""Writes the Postman collection (format v2.1) of examples/ from the OpenAPI document: `python -m script.postman`."""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

PLACE = Path(__file__).resolve().parent.parent / "examples" / "photoproc.postman_collection.json"
FORMAT = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
MULTIPART, JSON = "multipart/form-data", "application/json"
BASE_URL = "http://127.0.0.1:8000"
VARIANT = "result"
MAKING = {"create_job": ("job_id",), "create_upload": ("job_id", "upload_id")}  # what its answer names for the others
Node = dict[str, Any]


def collection(document: Node) -> Node:
    """A folder for each tag. Its variables are `base_url`, `token`, and the ids, which are empty until what is made
    with it sets them: a run of all of it touches nothing that was there before."""
    ids = {one["name"]: "" for one in _parameters(document) if _is_id(one)}
    variables = {"base_url": BASE_URL, "token": "", **ids}
    return {
        "info": {
            "name": document["info"]["title"], "description": document["info"]["description"], "schema": FORMAT,
        },
        "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "{{token}}", "type": "string"}]},
        "variable": [{"key": name, "value": value} for name, value in variables.items()],
        "item": [
            {"name": tag["name"], "description": tag["description"], "item": _requests(document, tag["name"])}
            for tag in document["tags"]
        ],
    }  # fmt: skip


def _parameters(document: Node) -> Iterator[Node]:
    for operations in document["paths"].values():
        for operation in operations.values():
            yield from operation.get("parameters", [])


def _is_id(parameter: Node) -> bool:
    return bool(parameter["in"] == "path" and parameter["schema"].get("type") == "integer")


def _requests(document: Node, tag: str) -> list[Node]:
    return [
        _item(method, path, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if tag in operation["tags"]
    ]


def _item(method: str, path: str, operation: Node) -> Node:
    parameters = operation.get("parameters", [])
    request: Node = {
        "method": method.upper(),
        "description": operation["description"],
        "header": [
            {"key": one["name"], "value": "{{$guid}}", "description": one["description"]}
            for one in parameters
            if one["in"] == "header"
        ],
        "url": _url(path, parameters, _by_hand if method == "delete" else _value),
    }
    if "requestBody" in operation:
        request["body"] = _body(operation["requestBody"]["content"])
    if not operation["security"]:
        request["auth"] = {"type": "noauth"}
    answers = operation["responses"].items()
    told = [_answer(status, one, request) for status, one in answers if JSON in one.get("content", {})]
    item = {"name": operation["summary"], "request": request, "response": told}
    if names := MAKING.get(operation["operationId"]):
        item["event"] = [{"listen": "test", "script": {"type": "text/javascript", "exec": _keep(names)}}]
    return item


def _keep(names: Iterable[str]) -> list[str]:
    """JavaScript that keeps these of an answer, for the requests after it."""
    lines = [f'  pm.collectionVariables.set("{name}", pm.response.json().{name})' for name in names]
    return ["if (pm.response.code === 202) {", *lines, "}"]


def _url(path: str, parameters: list[Node], value: Callable[[Node], str]) -> Node:
    parts = [f":{part[1:-1]}" if part.startswith("{") else part for part in path.strip("/").split("/")]
    found: Node = {"raw": "/".join(["{{base_url}}", *parts]), "host": ["{{base_url}}"], "path": parts}
    for place, name, more in (("query", "query", {"disabled": True}), ("path", "variable", {})):
        some = [
            {"key": one["name"], "value": value(one), "description": one.get("description", ""), **more}
            for one in parameters
            if one["in"] == place
        ]
        if some:
            found[name] = some
    return found


def _by_hand(_: Node) -> str:
    """What is to be removed, nothing else may name."""
    return ""


def _value(parameter: Node) -> str:
    if parameter["in"] == "path":
        return f"{{{{{parameter['name']}}}}}" if _is_id(parameter) else VARIANT
    default = parameter["schema"].get("default")
    return "" if default is None else str(default)


def _body(content: Node) -> Node:
    if MULTIPART not in content:
        sent = content[JSON]["example"]
        own = {"upload_ids": ["{{upload_id}}"]} if "upload_ids" in sent else {}
        text = json.dumps(sent | own, indent=2)
        return {"mode": "raw", "raw": text, "options": {"raw": {"language": "json"}}}
    sent = content[MULTIPART]
    files = [name for name, part in sent["schema"]["properties"].items() if _is_file(part)]
    fields = [
        {"key": name, "type": "text", "value": value if isinstance(value, str) else json.dumps(value), "disabled": True}
        for name, value in sent["example"].items()
        if name not in files
    ]
    one, *others = [{"key": name, "type": "file", "src": []} for name in files]
    return {"mode": "formdata", "formdata": [one, *[{**other, "disabled": True} for other in others], *fields]}


def _is_file(part: Node) -> bool:
    return bool(part.get("items", part).get("format") == "binary")


def _answer(status: str, answer: Node, request: Node) -> Node:
    return {
        "name": f"{status} {HTTPStatus(int(status)).phrase}",
        "originalRequest": request,
        "status": HTTPStatus(int(status)).phrase,
        "code": int(status),
        "_postman_previewlanguage": "json",
        "header": [{"key": "Content-Type", "value": JSON}],
        "body": json.dumps(answer["content"][JSON]["example"], indent=2),
    }


def text() -> str:
    """What the file holds."""
    from processing.api.v1 import api

    return json.dumps(collection(json.loads(api.document[0])), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "photoproc.settings")
    django.setup()
    PLACE.write_text(text())
    print(PLACE)
