"""What operators decide: asked whether they may, done, and written into Django's admin log."""

from django.conf import settings
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.db import models, transaction

from processing import announce, breaker, crew, pauses, queue, show
from processing.errors import PhotoError
from processing.models import Breaker, Crew, Job, Milestone, Pause, Status, Upload

# verb → the Django permission that it needs
PERMISSIONS = {
    "retry": "processing.retry_upload",
    "cancel": "processing.cancel_upload",
    "delete": "processing.delete_upload",
    "change": "processing.change_upload",  # all else that its owner may do with a photo
    "download": "processing.download_upload",
    "pause": "processing.pause_queue",
    "workers": "processing.set_workers",
    "trip": "processing.trip_breaker",
    "reset": "processing.reset_breaker",
}
SELECTED = ("retry", "cancel", "delete", "download")
GROUP = "Operators"
GIVEN = "operators:"  # and a permission: the milestone that the group has had it
ALSO = [  # what operators look at, and the limits that they set for people
    "processing.view_job", "processing.view_upload",
    "processing.view_allowance", "processing.add_allowance", "processing.change_allowance",
]  # fmt: skip

# an act → what the log says, and of what kind that is which it was done to
DONE: dict[str, tuple[str, type[models.Model]]] = {
    "retry": ("Retried", Upload),
    "cancel": ("Cancelled", Upload),
    "delete": ("Deleted", Upload),
    "download": ("Downloaded", Upload),
    "begin": ("Began the act", Upload),
    "stop": ("Stopped the act", Upload),
    "pause": ("Paused", Pause),
    "drain": ("Drained", Pause),
    "resume": ("Resumed", Pause),
    "workers": ("Set the number of workers", Crew),
    "trip": ("Tripped", Breaker),
    "reset": ("Reset", Breaker),
    "look": ("Tried", Breaker),
}


def may(person: User, verb: str) -> bool:
    return person.is_active and person.is_staff and person.has_perm(PERMISSIONS[verb])


def acts(person: User) -> dict[str, bool]:
    """What this person may do, by verb, and as `select` whether any of it is done to selected photos."""
    found = {verb: may(person, verb) for verb in PERMISSIONS}
    return found | {"select": any(found[verb] for verb in SELECTED)}


def need(person: User, verb: str) -> None:
    """Raises PhotoError `not_permitted`."""
    if not may(person, verb):
        raise PhotoError("not_permitted", reason=f"You may not do this: it needs the permission {PERMISSIONS[verb]}")


def note(person: User, act: str, what: str, count: int | None = None, noun: str = "photo", *, of: int = 0) -> None:
    """Write the act into the admin's log: who, what, how many, `of` how many that matched. `act` is one of DONE."""
    done, kind = DONE[act]
    many = "" if count is None else f" ({show.counted(count, noun)})"
    if count is not None and count < of:
        many = f" ({count:,} of {show.counted(of, noun)}; the others did not match any more)"
    LogEntry.objects.create(
        user=person, content_type=ContentType.objects.get_for_model(kind), object_repr=what[:200], action_flag=CHANGE,
        change_message=f"{done} {what}{many}",
    )  # fmt: skip
    announce.queue_changed()


# ---- the queue -----------------------------------------------------------------------------------------------------


def pause(person: User, *, owner: User | None = None, job: Job | None = None, drains: bool = False) -> None:
    """Hold the whole queue, or what is one person's, or one job; where it drains, only what is queued from now on.

    Raises PhotoError `not_permitted`.
    """
    need(person, "pause")
    with transaction.atomic():
        if pauses.pause(person, owner=owner, job=job, drains=drains):
            note(person, "drain" if drains else "pause", pauses.named(owner, job), _waiting(owner, job))


def resume(person: User, *, owner: User | None = None, job: Job | None = None) -> None:
    """Raises PhotoError `not_permitted`."""
    need(person, "pause")
    with transaction.atomic():
        if pauses.resume(owner=owner, job=job):
            note(person, "resume", pauses.named(owner, job), _waiting(owner, job))


def _waiting(owner: User | None, job: Job | None) -> int:
    rows = Upload.objects.filter(status__in=[Status.NEW, Status.QUEUED], job__deleted_at=None)
    return (rows.filter(job=job) if job else rows.filter(job__owner=owner) if owner else rows).count()


def set_workers(person: User, size: int) -> None:
    """Raises PhotoError `not_permitted`, `invalid_request` when size is not 1 to settings.MOST_WORKERS."""
    need(person, "workers")
    if not 1 <= size <= settings.MOST_WORKERS:
        raise PhotoError("invalid_request", reason=f"There can be 1 to {settings.MOST_WORKERS} workers")
    with transaction.atomic():
        before = crew.wanted(queue.PHOTOS)
        if size != before:
            crew.want(queue.PHOTOS, size, person)
            note(person, "workers", f"from {before} to {size}")


# ---- what the house depends on -------------------------------------------------------------------------------------


def trip(person: User, name: str) -> None:
    """Leave it alone until it is reset. Raises PhotoError `not_permitted`, `invalid_request` for an odd name."""
    need(person, "trip")
    kind, _, what = name.partition(":")
    is_known = name == breaker.STORAGE or (kind in (breaker.FETCH, breaker.MODEL, breaker.HOOKS) and what)
    if not is_known or len(name) > 300:
        raise PhotoError("invalid_request", reason="A breaker is called storage, fetch:host, model:name or hooks:host")
    with transaction.atomic():
        if not Breaker.objects.filter(name=name, tripped_by__isnull=False).exists():
            breaker.trip(name, person)
            note(person, "trip", name)


def reset(person: User, name: str) -> None:
    """Use it again: what waited goes on. Raises PhotoError `not_permitted`."""
    need(person, "reset")
    with transaction.atomic():
        if breaker.reset(name):
            note(person, "reset", name)


def look_now(person: User, name: str) -> None:
    """Let one through now, to see whether it answers. Raises PhotoError `not_permitted`."""
    need(person, "reset")
    with transaction.atomic():
        if breaker.probe_now(name):
            note(person, "look", name)


# ---- who may -------------------------------------------------------------------------------------------------------


def operators() -> Group:
    """The group whose members may do all of this. Where it was not there, those who are operators become its members.

    It is given each permission once in the life of a house: what an upgrade brings, but not what was taken from it.
    """
    group, is_new = Group.objects.get_or_create(name=GROUP)
    names = [name.partition(".")[2] for name in (*PERMISSIONS.values(), *ALSO)]
    rows = Permission.objects.filter(content_type__app_label="processing", codename__in=names)
    given = set(Milestone.objects.filter(name__startswith=GIVEN).values_list("name", flat=True))
    new = [row for row in rows if GIVEN + row.codename not in given]
    group.permissions.add(*new)
    Milestone.objects.bulk_create([Milestone(name=GIVEN + row.codename) for row in new], ignore_conflicts=True)
    if is_new:
        group.user_set.add(*User.objects.filter(is_staff=True))
    return group
