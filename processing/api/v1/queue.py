"""The queue of everybody's photos, for operators."""

from typing import Annotated, Any, Literal

from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import ConfigDict, Field

from processing import access, steering
from processing.api import auth, body
from processing.api.shapes import queue as shape
from processing.api.shapes.asked import Id
from processing.errors import PhotoError

router = Router(tags=["queue"])

Name = Annotated[str, Field(max_length=150, pattern=r"^[\w.@+-]+$", description="Whose; the name to sign in.")]


class Part(Schema):
    """What of the queue: all of it, where nothing is named."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"person": "kim"}]})

    person: Name | None = None
    job_id: Id | None = None

    def named(self, asking: access.Person) -> dict[str, Any]:
        """Whose photos, or which job's. Raises PhotoError `not_found`, `invalid_request`, and Http404."""
        if self.person and self.job_id:
            raise PhotoError("invalid_request", reason="Name a person or a job, not both")
        owner = User.objects.filter(username=self.person).first() if self.person else None
        if self.person and not owner:
            raise PhotoError("not_found", reason=f"Nobody here is called {self.person}")
        return {"owner": owner, "job": access.job(asking, self.job_id) if self.job_id else None}


class ToPause(Part):
    """What is paused; with `drain`, only what is queued from now on."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"person": "kim", "drain": True}]})

    drain: bool = False


class Workers(Schema):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"size": 3}]})

    size: int = Field(ge=1, le=settings.MOST_WORKERS)


class BreakerAct(Schema):
    """`trip` leaves it alone until it is reset, `reset` uses it again, `look` lets one photo through now."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"name": "fetch:img.example.com", "act": "reset"}]}
    )

    name: str = Field(max_length=300)
    act: Literal["trip", "reset", "look"]


@router.get(
    "queue", auth=auth.QUEUE, url_name="v1-queue", operation_id="get_queue", summary="How the queue stands",
    response=shape.Queue,
)  # fmt: skip
def state(request: HttpRequest) -> Any:
    """Everybody's photos by state, who waits, who works, and whether it is paused."""
    return shape.now()


@router.post(
    "queue/pause", auth=auth.QUEUE, url_name="v1-queue-pause", operation_id="pause_queue", summary="Pause the queue",
    response=shape.Queue, openapi_extra=body.described(ToPause),
)  # fmt: skip
def pause(request: HttpRequest) -> Any:
    """No further photo is begun, of anybody, of one person or of one job; those that are being worked on go on, and new
    ones are taken in."""
    asked, _ = body.read(request, ToPause)
    steering.pause(auth.owner(request), **asked.named(auth.who(request)), drains=asked.drain)
    return shape.now()


@router.post(
    "queue/resume", auth=auth.QUEUE, url_name="v1-queue-resume", operation_id="resume_queue",
    summary="Let the queue go on", response=shape.Queue, openapi_extra=body.described(Part),
)  # fmt: skip
def resume(request: HttpRequest) -> Any:
    """The photos that wait are begun again; each pause is ended for itself."""
    asked, _ = body.read(request, Part)
    steering.resume(auth.owner(request), **asked.named(auth.who(request)))
    return shape.now()


@router.post(
    "queue/workers", auth=auth.QUEUE, url_name="v1-queue-workers", operation_id="set_workers",
    summary="Set the number of workers", response=shape.Queue, openapi_extra=body.described(Workers),
)  # fmt: skip
def workers(request: HttpRequest) -> Any:
    """So many work on photos, within seconds; one that is too many finishes its photo first."""
    asked, _ = body.read(request, Workers)
    steering.set_workers(auth.owner(request), asked.size)
    return shape.now()


@router.post(
    "queue/breakers", auth=auth.QUEUE, url_name="v1-queue-breakers", operation_id="set_breaker",
    summary="Trip or reset a breaker", response=shape.Queue, openapi_extra=body.described(BreakerAct),
)  # fmt: skip
def breakers(request: HttpRequest) -> Any:
    """Of what the house depends on: leave it alone, use it again, or look whether it answers."""
    asked, _ = body.read(request, BreakerAct)
    {"trip": steering.trip, "reset": steering.reset, "look": steering.look_now}[asked.act](
        auth.owner(request), asked.name
    )
    return shape.now()
