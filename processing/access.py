"""Found and yours, or 404: the one place that answers whose a thing is. Operators may see everybody's.

Who asks is a person, or a program with a person's token: it sees what its owner does, and a narrow one only the jobs
that were made with it. With an operator's token only the scope `queue` shows what is everybody's.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import TypeGuard

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import Http404, HttpRequest
from django.utils import timezone

from processing import steering
from processing.errors import PhotoError
from processing.models import (
    BackgroundImage,
    Delivery,
    Endpoint,
    Job,
    OutputLinks,
    Preset,
    ProductRow,
    Scope,
    Token,
    Upload,
)

Person = User | AnonymousUser | AbstractBaseUser | Token
VERBS_OF_OWNERS = ("retry", "cancel", "delete", "change")


def owner_id(user: Person) -> int | None:
    """Whose things this person or program may see; None for a narrow token, which sees its own jobs alone."""
    if isinstance(user, Token):
        return None if user.is_narrow else user.owner_id
    return user.pk


def is_operator(user: Person) -> TypeGuard[User | Token]:
    if isinstance(user, Token):
        return Scope.QUEUE in user.scopes and not user.is_narrow and is_operator(user.owner)
    return isinstance(user, User) and user.is_active and user.is_staff


def may(user: Person, verb: str) -> bool:
    """Whether an operator may do this to what is somebody else's; without a verb, look at it."""
    owner = user.owner if isinstance(user, Token) else user
    return is_operator(user) and (not verb or (isinstance(owner, User) and steering.may(owner, verb)))


def acts(user: Person, whose: int) -> dict[str, bool]:
    """What this person may do to a job that they see, and to its photos, by verb: everything where it is their own.
    `whose` is its owner's id."""
    is_own = (user.owner_id if isinstance(user, Token) else user.pk) == whose
    return {verb: is_own or may(user, verb) for verb in VERBS_OF_OWNERS}


def may_stand_in(user: Person) -> bool:
    """Whether an operator may do to others' photos what their owners do: all of these verbs."""
    return all(may(user, verb) for verb in VERBS_OF_OWNERS)


def jobs(user: Person, *, everybody: bool = False, deleted: bool = False, to: str = "") -> "QuerySet[Job]":
    """The jobs that this person may see, or their deleted ones; an operator sees everybody's when asked to, and with
    the permission for it does `to` them what it names (a verb of `steering`). One's own needs none."""
    rows = Job.objects.filter(deleted_at__isnull=not deleted)
    if isinstance(user, Token) and user.is_narrow:
        return rows.filter(token=user)
    return rows if everybody and may(user, to) else rows.filter(owner_id=owner_id(user))


def deleted_jobs(user: Person, *, everybody: bool = False) -> "QuerySet[Job]":
    """The `jobs` that can still be brought back. (One that is just being made is hidden too, and empty.)"""
    since = timezone.now() - timedelta(minutes=settings.UNDO_MINUTES)
    made = Exists(Upload.objects.filter(job=OuterRef("pk"))) | Q(product_csv__isnull=False)
    return jobs(user, everybody=everybody, deleted=True, to="delete").filter(made, deleted_at__gt=since)


def job(user: Person, pk: int, to: str = "") -> Job:
    """Raises Http404 when there is no such job, or it is somebody else's. Here and below, `to` is that of `jobs`."""
    return _one_job(jobs(user, everybody=True, to=to), pk)


def deleted_job(user: Person, pk: int) -> Job:
    """Raises Http404 when there is no such job to bring back, or it is somebody else's."""
    return _one_job(deleted_jobs(user, everybody=True), pk)


def _one_job(rows: "QuerySet[Job]", pk: int) -> Job:
    found = rows.filter(pk=pk).select_related("owner").first()
    if found is None:
        raise Http404("There is no such job here.")
    return found


def upload(user: Person, pk: int, to: str = "") -> Upload:
    """Raises Http404 when there is no such photo, or it is somebody else's."""
    found = Upload.objects.filter(pk=pk, job__in=jobs(user, everybody=True, to=to)).select_related("job__owner").first()
    if found is None:
        raise Http404("There is no such photo here.")
    return found


def uploads(user: Person, pks: Sequence[int], to: str = "") -> "QuerySet[Upload]":
    """All of these photos. Raises Http404 when one of them is not this person's: a mixed list is refused whole."""
    rows = Upload.objects.filter(pk__in=pks, job__in=jobs(user, everybody=True, to=to))
    if rows.count() != len(set(pks)):
        raise Http404("There is no such photo here.")
    return rows


def product_job(user: Person, pk: int, to: str = "") -> Job:
    """A job that is a product CSV. Raises Http404 when there is none, or it is somebody else's."""
    found = job(user, pk, to)
    if not hasattr(found, "product_csv"):
        raise Http404("There is no such product CSV here.")
    return found


def product_row(user: Person, pk: int, to: str = "") -> ProductRow:
    """Raises Http404 when there is no such row, or it is somebody else's."""
    rows = ProductRow.objects.filter(pk=pk, job__in=jobs(user, everybody=True, to=to))
    found = rows.select_related("job__owner", "job__product_csv").first()
    if found is None:
        raise Http404("There is no such row here.")
    return found


def output_links(user: Person, *, everybody: bool = False, to: str = "") -> "QuerySet[OutputLinks]":
    """The links that lead to this person's results, or, for an operator who asks, to everybody's."""
    return OutputLinks.objects.filter(job__in=jobs(user, everybody=everybody, to=to))


def presets(user: Person) -> "QuerySet[Preset]":
    """This person's own, and those that operators shared."""
    return Preset.objects.filter(Q(owner_id=owner_id(user)) | Q(is_shared=True))


def preset(user: Person, pk: int, *, to_change: bool = False) -> Preset:
    """Raises Http404 when there is no such preset, or it is another's. Only operators change a shared one of others."""
    rows = presets(user)
    if to_change and not is_operator(user):
        rows = rows.filter(owner_id=owner_id(user))
    found = rows.filter(pk=pk).first()
    if found is None:
        raise Http404("There is no such preset here.")
    return found


def backgrounds(person_id: int | None) -> "QuerySet[BackgroundImage]":
    """The images that this person may lay behind a photo: the own ones, and those of operators."""
    of_operators = Q(owner__is_staff=True, owner__is_active=True)
    return BackgroundImage.objects.filter(Q(owner_id=person_id) | of_operators)


def background(user: Person, pk: int, *, to_change: bool = False) -> BackgroundImage:
    """Raises Http404 when there is no such image, or it is another's."""
    person_id = owner_id(user)
    rows = BackgroundImage.objects.filter(owner_id=person_id) if to_change else backgrounds(person_id)
    found = rows.filter(pk=pk).first()
    if found is None:
        raise Http404("There is no such background here.")
    return found


def tokens(user: Person) -> "QuerySet[Token]":
    """This person's own, of a narrow one itself alone; operators see no more."""
    if isinstance(user, Token) and user.is_narrow:
        return Token.objects.filter(pk=user.pk)
    return Token.objects.filter(owner_id=owner_id(user))


def token(user: Person, pk: int) -> Token:
    """Raises Http404 when there is no such token, or it is somebody else's."""
    found = tokens(user).filter(pk=pk).first()
    if found is None:
        raise Http404("There is no such token here.")
    return found


def endpoints(user: Person) -> "QuerySet[Endpoint]":
    """This person's own; operators see no more. Raises PhotoError `not_permitted` for a narrow token: they tell of
    every job."""
    need_wide(user)
    return Endpoint.objects.filter(owner_id=owner_id(user))


def endpoint(user: Person, pk: int) -> Endpoint:
    """Raises Http404 when there is no such webhook, or it is somebody else's; and what `endpoints` does."""
    return one_endpoint(endpoints(user), pk)


def one_endpoint(rows: "QuerySet[Endpoint]", pk: int) -> Endpoint:
    """Of the `endpoints` of somebody, with what was asked of them besides. Raises Http404 when it is none of them."""
    found = rows.filter(pk=pk).first()
    if found is None:
        raise Http404("There is no such webhook here.")
    return found


def deliveries(user: Person) -> "QuerySet[Delivery]":
    """Of this person's webhooks, and of the callbacks of their jobs. Raises what `endpoints` does."""
    need_wide(user)
    return Delivery.objects.filter(event__owner_id=owner_id(user))


def delivery(user: Person, pk: int) -> Delivery:
    """Raises Http404 when there is no such delivery, or it is somebody else's; and what `endpoints` does."""
    found = deliveries(user).filter(pk=pk).select_related("event__job", "endpoint", "callback").first()
    if found is None:
        raise Http404("There is no such delivery here.")
    return found


def need_wide(user: Person) -> None:
    """Raises PhotoError `not_permitted` for a narrow token, where what is asked for is more than a job."""
    if isinstance(user, Token) and user.is_narrow:
        raise PhotoError("not_permitted", reason="This token sees only the jobs that were made with it")


def somebody(user: Person, name: str) -> User:
    """The person of this name: oneself, or for an operator anybody. Raises Http404."""
    found = User.objects.filter(username=name).first()
    if found is None or not (is_operator(user) or found.pk == owner_id(user)):
        raise Http404("There is nobody of this name here.")
    return found


def person(request: HttpRequest) -> User:
    """Who asks. Raises PermissionDenied for nobody; the login middleware has turned those away already."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user
