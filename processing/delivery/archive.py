"""All results of a job as one ZIP, made while it is sent, with a manifest of every photo of it."""

import json
from collections.abc import Generator, Iterator
from typing import NamedTuple

from django.db.models import Q, QuerySet
from django.db.models.functions import Length
from django.http import StreamingHttpResponse
from zipstream import ZIP_STORED, ZipStream

from processing import storage
from processing.delivery import photo, spreadsheet
from processing.delivery.stream import CHUNK, Chunks, describe
from processing.errors import PhotoError
from processing.intake.names import Names
from processing.models import Job, Upload, Variant

MANIFEST = "manifest.csv"
HEADER = ("input name", "output name", "state", "error", "recipe", "model", "model checksum")
READ = ("job", "name", "sent_name", "status", "error_message", "recipe", "facts")


class Zip(NamedTuple):
    """`size` is in bytes, known before the first is made."""

    chunks: Chunks
    size: int
    filename: str


class Result(NamedTuple):
    variant: str
    key: str
    format: str


def zip_of(job: Job, uploads: "QuerySet[Upload]") -> Zip:
    """The results of these uploads of a job. Reads the database and looks at each file: not for the event loop.

    A result that is gone by now is named in the manifest. One that goes while the ZIP is being sent breaks the
    answer off, so that nobody takes a part for the whole.
    """
    archive, names, results = ZipStream(compress_type=ZIP_STORED, sized=True), Names([MANIFEST]), _results(uploads)
    rows: list[tuple[str, ...]] = [HEADER]
    for upload in uploads.order_by("position").only(*READ).iterator(chunk_size=500):
        made = [_add(archive, names, upload, result) for result in results.get(upload.pk, [])]
        rows += [_line(job, upload, name, error or upload.error_message) for name, error in made or [("", "")]]
    archive.add(spreadsheet.to_csv(rows), MANIFEST)
    pieces = _gathered(iter(archive))
    return Zip(Chunks(pieces, pieces.close), len(archive), _filename(job))


def response(file: Zip) -> StreamingHttpResponse:
    headers = {**describe("application/zip", file.filename), "Content-Length": str(file.size)}
    return StreamingHttpResponse(file.chunks, headers=headers)


def _results(uploads: "QuerySet[Upload]") -> dict[int, list[Result]]:
    """Each upload's results, the first one first."""
    named = Q(name="result") | Q(name__startswith="result-")
    made = Variant.objects.filter(named, upload__in=uploads, status=Variant.Status.COMPLETED).exclude(key="")
    rows = made.order_by(Length("name"), "name").values_list("upload_id", "name", "key", "format")  # -2 before -10
    found: dict[int, list[Result]] = {}
    for pk, *result in rows.iterator(chunk_size=500):
        found.setdefault(pk, []).append(Result(*result))
    return found


def _add(archive: ZipStream, names: Names, upload: Upload, result: Result) -> tuple[str, str]:
    """Put a result into the ZIP; gives its name there, and what is wrong with it."""
    place = storage.path(result.key)
    if not place.is_file():
        return "", PhotoError("missing_source").message
    name = names.give(photo.file_name(upload.name, result.format, photo.addition(result.variant)))
    archive.add_path(place, name, recurse=False)
    return name, ""


def _line(job: Job, upload: Upload, name: str, error: str) -> tuple[str, ...]:
    return (
        upload.sent_name,
        name,
        upload.status,
        error,
        json.dumps(upload.facts.get("recipe") or upload.recipe or job.recipe, ensure_ascii=False),
        str(upload.facts.get("model") or ""),
        str(upload.facts.get("model_checksum") or ""),
    )


def _gathered(pieces: Iterator[bytes]) -> Generator[bytes, None, None]:
    """The same bytes in larger pieces: one hop to a thread for each."""
    gathered = bytearray()
    for piece in pieces:
        gathered += piece
        if len(gathered) >= CHUNK:
            yield bytes(gathered)
            gathered.clear()
    yield bytes(gathered)


def _filename(job: Job) -> str:
    name = job.name.replace("/", "-").replace("\\", "-").removesuffix(".zip")
    return f"{photo.base_name(name)}.zip"
