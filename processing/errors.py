"""Everything that can go wrong with a photo, in one table.

A code is stable and goes outward (pages, API, CSV, webhooks); its sentence says what is so, its remedy what to do,
`transient` whether trying again without any change can help, and `status` is what HTTP says with it.
"""

from dataclasses import dataclass

AGAIN = 10  # seconds after which it is worth to try again what does not answer now


@dataclass(frozen=True)
class Kind:
    sentence: str
    remedy: str = ""
    transient: bool = False
    status: int = 422


KINDS: dict[str, Kind] = {
    "missing_source": Kind("Nothing was sent.", "Send {fields}."),
    "multiple_sources": Kind("Photos were sent in two ways at once.", "Send either {fields}."),
    "original_missing": Kind("The file is not there any more.", "Send it again.", status=404),
    "no_longer_kept": Kind("{what} removed on {day}.", "Send the photo again.", status=404),
    "failed_to_read_image": Kind("The file cannot be read: {reason}.", "Export the photo again, then send it again."),
    "file_too_large": Kind(
        "File size ({size}) exceeds maximum ({limit}).",
        "Save it smaller or at a lower quality, then send it again.",
        status=413,
    ),
    "resolution_too_high": Kind(
        "Image dimensions too large (max {limit}).",
        "This one is {size}: make it smaller.",
    ),
    "image_too_small": Kind("Image dimensions too small (min {limit}).", "This one is {size}: send a larger one."),
    "invalid_file_type": Kind("Unsupported image format: {format}.", "Export it as PNG or JPEG, then send it again."),
    "too_many_files": Kind("More than {limit} files in one request.", "Send the rest in another request, or as a ZIP."),
    "job_closed": Kind("The job takes no more files.", "Start a new job with them.", status=409),
    "request_in_progress": Kind(
        "The same request is still being worked on.",
        "Look among your jobs in a minute.",
        transient=True,
        status=409,
    ),
    "archive_unreadable": Kind("The ZIP cannot be read: {reason}.", "Pack it again, then send it again."),
    "archive_bomb": Kind("The ZIP unpacks to more than is allowed: {reason}.", "Split it into smaller ZIPs."),
    "archive_entry_skipped": Kind("{reason}.", "{remedy}"),
    "csv_unreadable": Kind("The CSV cannot be read: {reason}.", "Export it again as CSV (UTF-8), then send it again."),
    "csv_bad_header": Kind(
        "The CSV has no column {missing}. Its columns: {found}.", "Rename them in its first line, then send it again."
    ),
    "csv_too_long": Kind("The CSV has more than {limit}.", "Split it into several files.", status=413),
    "csv_bad_row": Kind("{reason}.", "Mend the row, or leave it out."),
    "csv_nothing_to_run": Kind("No row of the CSV can run.", "Mend a row first."),
    "csv_not_alone": Kind("One CSV at a time.", "Send it without other files."),
    "csv_started": Kind("The CSV was started already.", "Send it again to read it in another way.", status=409),
    "no_direct_uploads": Kind(
        "No photo can be sent straight into a bucket here.", "Send the files themselves.", status=409
    ),
    "only_photos": Kind("Only photos come by way of a bucket.", "Send a ZIP or a CSV as a file."),
    "invalid_s3_key": Kind("Invalid S3 key or file not accessible.", "Look the key up in the bucket."),
    "invalid_image_url": Kind("{reason}.", "Mend the address."),
    "fetch_blocked_address": Kind("This server may not fetch this address.", "Ask staff to allow it."),
    "fetch_timeout": Kind("{reason}.", "Try again later.", transient=True),
    "failed_image_download": Kind("{reason}.", "Open the address in a browser to see what is there."),
    "unknown_foreground": Kind(
        "No subject was found.", "Send a photo in which something stands out, or choose another model."
    ),
    "no_face_found": Kind("No face was found.", "Turn off cropping to the face, or send a photo with a clear face."),
    "multiple_faces": Kind(
        "{count} faces were found, and exactly one is wanted.",
        "Choose the largest face, or a result for each, or send a photo of one person.",
    ),
    "face_too_small": Kind(
        "The face is too small: the head is about {size} high, {limit} are needed.",
        "Send a larger or closer photo, or choose a smaller format or DPI.",
    ),
    "background_missing": Kind(
        "The background image is not there any more.", "Choose another background, then send the photo again."
    ),
    "model_not_installed": Kind(
        "The model {model} is not installed.", "Staff can install it: .venv/bin/python manage.py fetch_weights {model}"
    ),
    "model_not_allowed": Kind(
        "The model {model} is not for commercial use.", "Staff can turn it on, on the page Models."
    ),
    "out_of_memory": Kind("The photo took too much memory.", "Make it smaller, then send it again.", transient=True),
    "timeout": Kind("The work took longer than {seconds} s.", "Try again, or make the photo smaller.", transient=True),
    "worker_lost": Kind("The photo ended its worker {attempts} times.", "Export the photo again, then send it again."),
    "storage_unavailable": Kind("Storage does not answer.", "It is tried again by itself.", transient=True, status=503),
    "database_unavailable": Kind(
        "The database does not answer.", "Nothing is lost. Try again in a minute.", transient=True, status=503
    ),
    "storage_full": Kind(
        "The disk is nearly full.", "Delete old jobs, or ask staff to make room.", transient=True, status=507
    ),
    "scratch_full": Kind(
        "A disk that this server works on is nearly full.", "Ask staff to make room there.", transient=True, status=507
    ),
    "breaker_open": Kind("{name} does not answer.", "{remedy}", True, 503),
    "model_failed": Kind(
        "The model {model} cannot be run: {reason}.", "Staff can fetch it anew: fetch_weights {model}", transient=True
    ),
    "cancelled": Kind("Cancelled.", "Retry it when you want it after all."),
    "internal_error": Kind("That is our mistake.", "Try again; if it comes again, tell staff the photo's number."),
    # what a request is answered where no photo is to blame
    "invalid_request": Kind("{reason}.", "Mend what errors names."),
    "invalid_json": Kind("The body is not JSON: {reason}.", "Send UTF-8 JSON.", status=400),
    "not_authenticated": Kind("{reason}.", "Sign in, or send a token of yours as Authorization: Bearer.", status=401),
    "bad_signature": Kind("{reason}.", "Sign it as Standard Webhooks 1.0.0 says.", status=401),
    "scope_missing": Kind("The token does not have the scope {scope}.", "Make one that has it.", status=403),
    "not_permitted": Kind("{reason}.", status=403),
    "not_found": Kind("{reason}.", status=404),
    "method_not_allowed": Kind("This address does not take {method}.", "Send one of {allowed}.", status=405),
    "nothing_to_do": Kind("{reason}.", status=409),
    "name_taken": Kind("{reason}.", "Choose another name.", status=409),
    "body_too_large": Kind("The request exceeds {limit} MB.", "Send less at once.", status=413),
    "request_timeout": Kind("Too little came in {seconds} s.", "Send it again.", transient=True, status=408),
    "server_busy": Kind("Too many are sending photos at this moment.", "Try again in a minute.", True, 503),
    "unsupported_media_type": Kind("This address does not take {type}.", "Send {allowed}.", status=415),
    "idempotency_key_reused": Kind("The Idempotency-Key was used for another request.", "Make a new key for this one."),
    "too_many_tokens": Kind(
        "A person has {limit} that work at most.", "Revoke one, or wait until one expires.", status=409
    ),
    "too_many_webhooks": Kind("A person has {limit} webhooks at most.", "Remove one first.", status=409),
    "invalid_filter": Kind("{reason}.", "Write it like state:failed error:fetch_timeout older:1h."),
    "limit_reached": Kind("{reason}.", "{remedy}", status=429),
    "rate_limited": Kind("Too many requests.", "Try again in {seconds} s.", transient=True, status=429),
}


def is_transient(code: str) -> bool:
    """Whether the same once more can help; not where only another version knows the code."""
    return code in KINDS and KINDS[code].transient


class PhotoError(Exception):
    """A failure with a stable code, a sentence for the person, a remedy, and whether trying again can help.

    `transient` is said where the code alone does not tell. Raises KeyError when the code is unknown or a value that
    its sentence needs is missing.
    """

    def __init__(self, code: str, *, transient: bool | None = None, **values: object) -> None:
        kind = KINDS[code]
        self.code = code
        self.message = kind.sentence.format(**values)
        self.remedy = kind.remedy.format(**values)
        self.transient = kind.transient if transient is None else transient
        self.values = values
        super().__init__(f"{code}: {self.message}")

    @property
    def status(self) -> int:
        """What HTTP says with it."""
        return KINDS[self.code].status

    @property
    def detail(self) -> str:
        """The sentence and the remedy, for those who show one line."""
        return f"{self.message} {self.remedy}".strip()


class ClaimLost(Exception):
    """Somebody else moved the upload: cancelled, deleted, or given to another worker. Stop quietly."""
