"""What operators decide: asked whether they may, done, and written into Django's admin log."""

from django.contrib.auth.models import User

from processing.errors import PhotoError
from processing.models import Job

# verb → the Django permission that it needs
PERMISSIONS = {
    "retry": "processing.retry_upload",
    "cancel": "processing.cancel_upload",
    "delete": "processing.delete_upload",
    "download": "processing.download_upload",
    "pause": "processing.pause_queue",
    "workers": "processing.set_workers",
    "trip": "processing.trip_breaker",
    "reset": "processing.reset_breaker",
}


def may(person: User, verb: str) -> bool:
    return person.is_active and person.is_staff and person.has_perm(PERMISSIONS[verb])


def need(person: User, verb: str) -> None:
    """Raises PhotoError `not_permitted`."""
    if not may(person, verb):
        raise PhotoError("not_permitted", reason=f"You may not do this: it needs the permission {PERMISSIONS[verb]}")


def note(person: User, verb: str, what: str, count: int | None = None) -> None:
    """Write the act into the admin's log: who, what, how many."""
    raise NotImplementedError


def pause(person: User, *, owner: User | None = None, job: Job | None = None, drains: bool = False) -> None:
    raise NotImplementedError


def resume(person: User, *, owner: User | None = None, job: Job | None = None) -> None:
    raise NotImplementedError


def set_workers(person: User, size: int) -> None:
    """Raises PhotoError `not_permitted`, `invalid_request` when size is not 1 to settings.MOST_WORKERS."""
    raise NotImplementedError


def trip(person: User, name: str) -> None:
    """Leave it alone until it is reset."""
    raise NotImplementedError


def reset(person: User, name: str) -> None:
    """Use it again: what waited goes on."""
    raise NotImplementedError


def look_now(person: User, name: str) -> None:
    """Let one through now, to see whether it answers."""
    raise NotImplementedError
