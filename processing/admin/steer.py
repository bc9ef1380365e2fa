"""What operators press on the queue page to steer it: each asks `steering`, which knows who may."""

from collections.abc import Callable
from functools import wraps

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from processing import access, show, steering
from processing.breaker import label
from processing.errors import PhotoError
from processing.intake.names import plain
from processing.models import Job
from processing.watch import number
from processing.web import answers

View = Callable[[HttpRequest], HttpResponse]


def answered(view: View) -> View:
    """POST alone; what is refused is said on the page, or to the script, that asked."""

    @wraps(view)
    def wrapped(request: HttpRequest) -> HttpResponse:
        try:
            return view(request)
        except PhotoError as error:
            return answers.refused(request, error.code, error.detail)

    return require_POST(wrapped)


@answered
def pause(request: HttpRequest) -> HttpResponse:
    owner, job = _whose(request)
    steering.pause(access.person(request), owner=owner, job=job)
    return answers.done(request, f"{_named(owner, job)} paused. Photos under way finish; nothing new starts.")


@answered
def drain(request: HttpRequest) -> HttpResponse:
    owner, job = _whose(request)
    steering.pause(access.person(request), owner=owner, job=job, drains=True)
    return answers.done(request, f"{_named(owner, job)} drains. What waits by now is done; what comes later is held.")


@answered
def resume(request: HttpRequest) -> HttpResponse:
    owner, job = _whose(request)
    steering.resume(access.person(request), owner=owner, job=job)
    return answers.done(request, f"{_named(owner, job)} goes on.")


@answered
def workers(request: HttpRequest) -> HttpResponse:
    size = number(request.POST.get("size", "")) or 0
    steering.set_workers(access.person(request), size)
    return answers.done(request, f"{show.counted(size, 'worker')} from now on.")


BREAKER = {
    "trip": (steering.trip, "left alone until it is reset"),
    "reset": (steering.reset, "used again"),
    "look": (steering.look_now, "tried once now"),
}


@answered
def breaker(request: HttpRequest) -> HttpResponse:
    name = plain(request.POST.get("name", ""))
    found = BREAKER.get(request.POST.get("verb", ""))
    if found is None:
        raise PhotoError("invalid_request", reason="A breaker can be told to trip, to reset or to look")
    do, words = found
    do(access.person(request), name)
    return answers.done(request, f"{label(name)} is {words}.")


def _whose(request: HttpRequest) -> tuple[User | None, Job | None]:
    """One person's or one job's, where one is named; else everybody's. Raises PhotoError `not_found`,
    `invalid_request`."""
    person, text = request.POST.get("person", ""), request.POST.get("job", "")
    is_part = "person" in request.POST or "job" in request.POST
    if is_part and bool(person) == bool(text):
        raise PhotoError("invalid_request", reason="Name a person or a job")
    name = plain(person).strip()
    owner = User.objects.filter(username=name).first()
    job = Job.objects.filter(pk=number(text.strip().removeprefix("#")) or 0, deleted_at=None).first()
    if person and not owner:
        raise PhotoError("not_found", reason=f"Nobody here is called {name or 'so'}")
    if text and not job:
        raise PhotoError("not_found", reason=f"There is no job {text}")
    return owner, job


def _named(owner: User | None, job: Job | None) -> str:
    """The queue, or whose part of it."""
    if job:
        return f"Job {job.pk}"
    return owner.get_username() if owner else "The queue"
