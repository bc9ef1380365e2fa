"""What a request brings: JSON or a form, with files or without, read into one model; and how that is documented."""

import json
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Annotated, Any, BinaryIO, NoReturn, TypeAlias, TypeVar, cast

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, QueryDict
from django.utils.datastructures import MultiValueDict
from pydantic import BaseModel, BeforeValidator, ValidationError

from processing.api.problems import MOST_TOLD, Invalid, invalid, pointer
from processing.errors import PhotoError
from processing.intake import archive
from processing.recipe import Recipe

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
Files: TypeAlias = "MultiValueDict[str, UploadedFile[Any]]"

JSON, FORM, MULTIPART = "application/json", "application/x-www-form-urlencoded", "multipart/form-data"
SAFE = ["GET", "HEAD"]  # of what answers with a file
MOST_TEXT = settings.MB  # bytes of JSON or of a form's fields
MOST_VALUES = 50_000  # in JSON; no operation takes more
DEEPEST = 20  # levels of it
NOT_KEPT = re.compile("[\0\ud800-\udfff]")  # what no database takes: NUL, and halves of characters

# Several values: a list in JSON, a field that comes several times in a form, or texts with white space between them.
Many = Annotated[list[T], BeforeValidator(lambda value: value.split() if isinstance(value, str) else value)]


def read(request: HttpRequest, model: type[M], files: Collection[str] = (), most: int = MOST_TEXT) -> tuple[M, Files]:
    """The request's fields as this model, `most` bytes of them, and its files, which may come in the fields that
    `files` names.

    A field of a form that comes once is its text, one that comes several times a list. Raises Invalid, and PhotoError
    `body_too_large`, `invalid_json`, `unsupported_media_type`.
    """
    values, sent = _values(request, files, most)
    odd = [{"detail": "A file does not belong here.", "pointer": pointer([name])} for name in sent.keys() - set(files)]
    texts = [name for name in files if isinstance(values, dict) and name in values and name not in model.model_fields]
    instead = {name: values.pop(name) for name in texts}  # an empty one is a field that was left empty
    odd += [{"detail": "A file belongs here.", "pointer": pointer([name])} for name, text in instead.items() if text]
    odd += [
        {"detail": "There is a character in it that cannot be kept.", "pointer": pointer(place)}
        for place, text in _texts(values)
        if NOT_KEPT.search(text)
    ]
    if odd:
        raise Invalid(odd)
    return checked(model, values), sent


def checked(model: type[M], values: Any) -> M:
    """The model of these values. Raises Invalid, with a pointer to each that does not fit."""
    if not isinstance(values, dict):
        raise Invalid([{"detail": "An object belongs here.", "pointer": "#"}])
    try:
        return model.model_validate(_few(model, values))
    except ValidationError as error:
        raise invalid(error.errors()) from None


def _few(model: type[BaseModel], values: dict[str, Any]) -> dict[str, Any]:
    """Without the unknown fields that nobody would be told of, as pydantic makes an error of each."""
    untold = set([name for name in values if name not in model.model_fields][MOST_TOLD:])
    return {name: value for name, value in values.items() if name not in untold}


def recipe_of(sent: Recipe, base: Recipe) -> Recipe:
    """`base`, with those fields changed that were sent. Raises Invalid where the two do not go together."""
    changes = {name: getattr(sent, name) for name in sent.model_fields_set & Recipe.model_fields.keys()}
    return checked(Recipe, base.model_dump() | changes)


def one_source(sources: Mapping[str, object], *, may_be_none: bool = False) -> None:
    """Are photos sent in one way? `sources` are the fields in which they may come, with what came in each.

    Raises PhotoError `missing_source`, `multiple_sources`.
    """
    count = sum(map(bool, sources.values()))
    if count > 1 or (count == 0 and not may_be_none):
        raise PhotoError("multiple_sources" if count else "missing_source", fields=" or ".join(sources))


def one_file(sent: Files, fields: Sequence[str]) -> "UploadedFile[Any]":
    """The one file that came in any of these fields.

    Raises PhotoError `missing_source`, and Invalid where there are several or it is a ZIP.
    """
    files = [file for name in fields for file in sent.getlist(name)]
    one_source({fields[0]: files})
    if len(files) > 1 or archive.is_archive(cast(BinaryIO, files[0].file)):
        raise Invalid([{"detail": "Send one file here, and no ZIP.", "pointer": pointer(fields[:1])}])
    return files[0]


# ---- reading -------------------------------------------------------------------------------------------------------


def _values(request: HttpRequest, files: Collection[str], most: int) -> tuple[Any, Files]:
    type_, charset = request.content_type or "", (request.content_params or {}).get("charset", "utf-8").lower()
    if type_ in (FORM, MULTIPART) and charset == "utf-8":
        fields, sent = _form(request, type_, most)
        return {name: some[0] if len(some) == 1 else some for name, some in fields.lists()}, sent
    content = _content(request, most)
    if type_ != JSON and (type_ in (FORM, MULTIPART) or content):
        allowed = f"{JSON}, {FORM} or {MULTIPART}" if files else f"{JSON} or {FORM}"
        raise PhotoError("unsupported_media_type", type=type_ or "a body without a Content-Type", allowed=allowed)
    return _json(content), MultiValueDict()


def _form(request: HttpRequest, type_: str, most: int) -> tuple[QueryDict, Files]:
    """Django reads the multipart form of a POST by itself."""
    if type_ == FORM:
        return QueryDict(_content(request, most)), MultiValueDict()
    post = request.method == "POST"
    fields, files = (request.POST, request.FILES) if post else request.parse_file_upload(request.META, request)
    if sum(len(text) for _, texts in fields.lists() for text in texts) > most:
        raise _too_large(most)
    return fields, files


def _content(request: HttpRequest, most: int) -> bytes:
    """What was sent, whatever length was declared. Raises PhotoError `body_too_large`."""
    content = request.read(most + 1)
    if len(content) > most:
        raise _too_large(most)
    return content


def _too_large(most: int) -> PhotoError:
    return PhotoError("body_too_large", limit=most // settings.MB)


def _json(body: bytes) -> Any:
    """Strictly as in RFC 8259; nothing at all is an empty object. Raises PhotoError `invalid_json`."""
    if sum(map(body.count, (b",", b"[", b"{"))) > MOST_VALUES:  # before each becomes an object of Python
        raise PhotoError("invalid_json", reason=f"there are more than {MOST_VALUES:,} values in it")
    try:
        text = body.decode("utf-8-sig")
        return json.loads(text, parse_constant=_no_number, parse_float=_number) if text.strip() else {}
    except UnicodeDecodeError:
        raise PhotoError("invalid_json", reason="it is not UTF-8") from None
    except json.JSONDecodeError as error:
        reason = f"line {error.lineno}, column {error.colno}: {error.msg.lower()}"
        raise PhotoError("invalid_json", reason=reason) from None
    except ValueError as error:
        raise PhotoError("invalid_json", reason=str(error)) from None
    except RecursionError:
        raise _too_deep() from None


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON")


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number in it is too large")
    return number


def _too_deep() -> PhotoError:
    return PhotoError("invalid_json", reason="it is nested too deeply")


def _texts(value: Any, place: tuple[object, ...] = ()) -> Iterator[tuple[tuple[object, ...], str]]:
    """Every text in what was sent, the names of fields too, and where it stands. Raises PhotoError `invalid_json`."""
    if len(place) > DEEPEST:
        raise _too_deep()
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _texts(key, (*place, key))
            yield from _texts(inner, (*place, key))


# ---- documented ----------------------------------------------------------------------------------------------------


def described(model: type[BaseModel], files: Collection[str] = (), *, forms: bool = True) -> dict[str, Any]:
    """What ninja's `openapi_extra` takes: the body as JSON and as a form, with the model's examples.

    With `files`, the names of fields that take them, it is a form with files too; what no form can hold has no `forms`.
    """
    schema = model.model_json_schema()
    examples = schema.pop("examples", [])
    form = schema | {"properties": {name: _of_form(field) for name, field in schema["properties"].items()}}
    with_files = form | {"properties": dict.fromkeys(files, _FILES) | form["properties"]}
    kinds = {MULTIPART: with_files} if files else {}
    kinds |= {JSON: schema, FORM: form} if forms else {JSON: schema}
    example = {"example": examples[0]} if examples else {}
    content = {kind: {"schema": its, **example} for kind, its in kinds.items()}
    return {"requestBody": {"required": bool(schema.get("required")), "content": content}}


def _of_form(field: dict[str, Any]) -> dict[str, Any]:
    """A form knows no null: what may be null is left out there."""
    kinds = [kind for kind in field.get("anyOf", ()) if kind != {"type": "null"}]
    rest = {
        name: value for name, value in field.items() if name != "anyOf" and (name != "default" or value is not None)
    }
    return rest | (kinds[0] if len(kinds) == 1 else {"anyOf": kinds} if kinds else {})


_FILES = {"type": "array", "items": {"type": "string", "format": "binary"}}


def file_of(*types: str) -> dict[str, Any]:
    """The same for an operation that answers with a file of one of these types."""
    content = {type_: {"schema": {"type": "string", "format": "binary"}} for type_ in types}
    return {"responses": {200: {"description": "The file", "content": content}}}


def stored_file_of(*types: str) -> dict[str, Any]:
    """The same where the file may lie in a bucket, which gives it itself."""
    told = file_of(*types)
    told["responses"][302] = {"description": "Only with a session, never with a token: it is at Location for a while"}
    return told
