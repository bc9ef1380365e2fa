"""All results of a job, or of photos of several, as one ZIP, made while it is sent, with a manifest of every photo."""

import json
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from posixpath import dirname
from tempfile import SpooledTemporaryFile
from typing import NamedTuple

from django.conf import settings
from django.db.models import Case, Q, QuerySet, When
from django.db.models.functions import Length
from django.http import Http404, HttpRequest, StreamingHttpResponse
from zipstream import ZIP_STORED, ZipStream

from processing import show, spreadsheet, storage
from processing.delivery import photo
from processing.delivery.stream import Chunks, describe, made_now
from processing.errors import PhotoError
from processing.intake.names import Names
from processing.models import Job, Upload, Variant
from processing.recipe import addition
from processing.variants import OF_PAGES

MANIFEST = "manifest.csv"
HEADER = ("input name", "output name", "state", "error", "recipe", "model", "model checksum")
SOME = 500  # photos at a time, and rows
IN_MEMORY = 1_000_000  # bytes of a manifest; a longer one is spooled to the disk
READ = ("job", "name", "sent_name", "status", "error_message", "recipe", "facts", "results_removed_at")


class Zip(NamedTuple):
    """`size` is in bytes, known before the first is made; None where it is not."""

    chunks: Chunks
    size: int | None
    filename: str


class File(NamedTuple):
    variant: str
    key: str
    format: str
    bytes: int


Content = tuple[int, Iterator[bytes]]  # so many bytes, in pieces


def chosen(job: Job, ids: Collection[int]) -> "QuerySet[Upload]":
    """These photos of the job, all of them where none is named. Raises Http404 where one is not of this job."""
    if not ids:
        return job.uploads.all()
    uploads = job.uploads.filter(pk__in=ids)
    if uploads.count() != len(set(ids)):
        raise Http404("There is no such photo in this job.")
    return uploads


def zip_of(job: Job, uploads: "QuerySet[Upload]") -> Zip:
    """The results of these uploads of a job, and the extra sizes that were asked for.

    Reads the database and looks where the files lie: not for the event loop.

    A result that is gone by now is named in the manifest. One that goes while the ZIP is being sent breaks the
    answer off, so that nobody takes a part for the whole. Raises PhotoError `storage_unavailable`.
    """
    storage.check()
    archive, names, files = ZipStream(compress_type=ZIP_STORED, sized=True), Names([MANIFEST]), _files(uploads)
    sizes = _sizes(file.key for some in files.values() for file in some)
    rows: list[tuple[str, ...]] = [HEADER]
    for upload in uploads.order_by("position").only(*READ).iterator(chunk_size=SOME):
        made = [_add(archive, names, upload, file, _content(file, sizes)) for file in files.get(upload.pk, [])]
        rows += _lines(job, upload, made)
    archive.add(spreadsheet.to_csv(rows), MANIFEST)
    pieces = _gathered(iter(archive))
    return Zip(Chunks(pieces, pieces.close), len(archive), _filename(job))


def zip_of_many(uploads: "QuerySet[Upload]") -> Zip:
    """The results of these uploads of any jobs, in a folder for each job. Memory stays flat: they are read some at a
    time, as the ZIP is sent, so its size is not known before. Raises PhotoError `storage_unavailable`."""
    storage.check()
    ids = list(uploads.order_by("job_id", "position").values_list("pk", flat=True))
    pieces = _gathered(_in_folders(ids))
    return Zip(Chunks(pieces, pieces.close), None, "photos.zip")


def response(request: HttpRequest, file: Zip) -> StreamingHttpResponse:
    size = {} if file.size is None else {"Content-Length": str(file.size)}
    return made_now(request, file.chunks, describe("application/zip", file.filename) | size)


def _in_folders(ids: Sequence[int]) -> Iterator[bytes]:
    archive, folders = ZipStream(compress_type=ZIP_STORED), Names([MANIFEST])
    job: Job | None = None
    with SpooledTemporaryFile(IN_MEMORY, dir=str(settings.TMP_DIR)) as manifest:
        manifest.write(spreadsheet.to_csv([HEADER]))
        for first in range(0, len(ids), SOME):
            some = Upload.objects.filter(pk__in=ids[first : first + SOME])
            files = _files(some)
            for upload in (
                some.select_related("job").only(*READ, "job__name", "job__recipe").order_by("job", "position")
            ):
                if upload.job != job:
                    job, names, folder = upload.job, Names(), folders.give(_shown(upload.job))
                made = []
                for file in files.get(upload.pk, []):
                    made.append(_add(archive, names, upload, file, _begun(file), folder=f"{folder}/"))
                    yield from archive.all_files()
                manifest.write(spreadsheet.to_csv(_lines(job, upload, made)))
        manifest.seek(0)
        archive.add(iter(partial(manifest.read, storage.CHUNK), b""), MANIFEST)
        yield from archive.finalize()


def files_of(uploads: "QuerySet[Upload]") -> "QuerySet[Variant]":
    """Their results and extra sizes; not the small pictures of our pages."""
    made = Variant.objects.filter(upload__in=uploads, status=Variant.Status.COMPLETED).exclude(key="")
    return made.exclude(name__regex=OF_PAGES)


def _files(uploads: "QuerySet[Upload]") -> dict[int, list[File]]:
    """Each upload's results, the first one first, then its extra sizes."""
    extra = Case(When(Q(name="result") | Q(name__startswith="result-"), then=0), default=1)
    rows = files_of(uploads).order_by(extra, Length("name"), "name")  # -2 before -10
    found: dict[int, list[File]] = {}
    for row in rows.values_list("upload_id", "name", "key", "format", "bytes").iterator(chunk_size=SOME):
        found.setdefault(row[0], []).append(File(*row[1:]))
    return found


def _sizes(keys: Iterable[str]) -> dict[str, int]:
    """Of what is left of these, and of the others in their folders: a bucket lists a thousand in the time of one."""
    folders = sorted({dirname(key) for key in keys})
    return {seen.key: seen.bytes for folder in folders for seen in storage.files(folder)}


def _content(file: File, sizes: Mapping[str, int]) -> Content | None:
    """It is opened when its turn comes; None where it is gone."""
    return (sizes[file.key], storage.pieces(file.key)) if file.key in sizes else None


def _begun(file: File) -> Content | None:
    """Its first piece is read already; None where it is gone."""
    pieces = storage.pieces(file.key)
    try:
        return file.bytes, chain([next(pieces, b"")], pieces)
    except PhotoError as error:
        if error.code != "original_missing":
            raise
        return None


def _add(
    archive: ZipStream, names: Names, upload: Upload, file: File, content: Content | None, *, folder: str = ""
) -> tuple[str, str]:
    """Put a file into the ZIP; gives its name there, and what is wrong with it."""
    if content is None:
        return "", PhotoError("original_missing").message
    name = folder + names.give(photo.file_name(upload.name, file.format, addition(file.variant)))
    size, pieces = content
    archive.add(pieces, name, size=size)
    return name, ""


def _lines(job: Job, upload: Upload, made: Sequence[tuple[str, str]]) -> list[tuple[str, ...]]:
    """Of the manifest: one for each file, or one that says why there is none."""
    return [_line(job, upload, name, error or upload.error_message) for name, error in made or [_none(upload)]]


def _none(upload: Upload) -> tuple[str, str]:
    """What is said of one that has no file."""
    when = upload.results_removed_at
    return "", PhotoError("no_longer_kept", what="The result was", day=show.day(when)).message if when else ""


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
        if len(gathered) >= storage.CHUNK:
            yield bytes(gathered)
            gathered.clear()
    yield bytes(gathered)


def _filename(job: Job) -> str:
    return f"{_shown(job)}.zip"


def _shown(job: Job) -> str:
    return photo.base_name(job.name.replace("/", "-").replace("\\", "-").removesuffix(".zip"))
