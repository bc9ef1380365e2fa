"""Signing in and out, the own page, passwords, invitations."""

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from axes.helpers import get_cool_off
from axes.utils import reset as forget_failed_tries
from django.conf import settings
from django.contrib.auth import login, views
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from processing import access, allowances, invitations, show
from processing.hooks import signing
from processing.models import Invitation
from processing.web import answers
from processing.web.forms_account import (
    InvitationForm,
    NewAccountForm,
    NewPasswordForm,
    PasswordChangeForm,
    PasswordLinkForm,
    PasswordMailForm,
    SignInForm,
)

View = Callable[..., HttpResponse]
BACKEND = "django.contrib.auth.backends.ModelBackend"


# ---- in and out ----------------------------------------------------------------------------------------------------


class SignInFirst(LoginRequiredMiddleware):
    """Django's, but where anybody may come it does not look who does: such an answer hangs on no cookie."""

    def process_view(
        self, request: HttpRequest, view_func: Callable[..., HttpResponseBase], view_args: Any, view_kwargs: Any
    ) -> HttpResponseBase | None:
        if not getattr(view_func, "login_required", True):
            return None
        return super().process_view(request, view_func, view_args, view_kwargs)


class SignIn(views.LoginView):
    template_name = "account/login.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def form_valid(self, form: Any) -> HttpResponse:
        """The own wrong tries are forgotten, and no others that came from the same address."""
        forget_failed_tries(username=form.get_user().get_username())
        return super().form_valid(form)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(open_sign_up=settings.OPEN_SIGN_UP, **kwargs)


@method_decorator(login_not_required, name="dispatch")  # who is out already need not sign in to sign out
class SignOut(views.LogoutView):
    pass


def locked_out(request: HttpRequest, *_: object) -> HttpResponse:
    """What django-axes answers after too many wrong passwords."""
    wait = get_cool_off(request)
    seconds = int(wait.total_seconds()) if wait else 0
    response = render(request, "account/locked.html", {"seconds": seconds}, status=429)
    response.headers["Retry-After"] = str(seconds)
    return response


# ---- the own page and its password ---------------------------------------------------------------------------------


def account(request: HttpRequest) -> HttpResponse:
    person = access.person(request)
    context = {
        "is_operator": access.is_operator(person), "signing_secret": signing.secret_of(person),
        "limits": allowances.of(person.pk),
    }  # fmt: skip
    return render(request, "account/account.html", context)


@require_POST
def new_signing_secret(request: HttpRequest) -> HttpResponse:
    signing.renew(access.person(request))
    return answers.done(request, "New signing secret made. Give it to the programs that are told.")


class PasswordChange(views.PasswordChangeView):
    template_name = "account/password_change.html"
    form_class = PasswordChangeForm


class PasswordChangeDone(views.PasswordChangeDoneView):
    template_name = "account/password_change_done.html"


@method_decorator(login_not_required, name="dispatch")
class PasswordReset(views.PasswordResetView):
    template_name = "account/password_reset.html"
    email_template_name = "account/password_reset_email.txt"
    subject_template_name = "account/password_reset_subject.txt"
    form_class = PasswordMailForm

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not settings.CAN_SEND_MAIL:
            return render(request, "account/password_reset_no_mail.html")
        return cast(HttpResponse, super().dispatch(request, *args, **kwargs))


class PasswordResetDone(views.PasswordResetDoneView):
    template_name = "account/password_reset_done.html"


class PasswordResetConfirm(views.PasswordResetConfirmView):
    template_name = "account/password_reset_confirm.html"
    form_class = NewPasswordForm

    def form_valid(self, form: Any) -> HttpResponse:
        forget_failed_tries(username=form.user.get_username())
        return super().form_valid(form)


class PasswordResetComplete(views.PasswordResetCompleteView):
    template_name = "account/password_reset_complete.html"


# ---- new people ----------------------------------------------------------------------------------------------------


@login_not_required
@sensitive_post_parameters()
@never_cache
def sign_up(request: HttpRequest) -> HttpResponse:
    if not settings.OPEN_SIGN_UP:
        raise Http404("Accounts are made by invitation here.")
    if request.user.is_authenticated:
        return redirect(settings.LOGIN_REDIRECT_URL)
    return _new_account(request, User.save)


@login_not_required
@sensitive_post_parameters()
@never_cache
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    found = invitations.find(token)
    if found is None:
        return _invitation_gone(request)
    if request.user.is_authenticated:
        return render(request, "account/invitation_signed_in.html")
    try:
        return _new_account(request, lambda user: invitations.accept(found, user))
    except invitations.Spent:
        return _invitation_gone(request)


def _invitation_gone(request: HttpRequest) -> HttpResponse:
    return render(request, "account/invitation_gone.html", {"days": settings.INVITATION_DAYS}, status=404)


def _new_account(request: HttpRequest, save: Callable[[User], None]) -> HttpResponse:
    form = NewAccountForm(request.POST or None)
    if form.is_valid():
        user = form.save(commit=False)
        try:
            save(user)
        except IntegrityError:  # somebody took the name a moment ago
            form.add_error("username", NewAccountForm.Meta.error_messages["username"]["unique"])
        else:
            login(request, user, backend=BACKEND)
            return redirect(settings.LOGIN_REDIRECT_URL)
    return render(request, "account/new.html", {"form": form})


# ---- what operators do ---------------------------------------------------------------------------------------------


def operators_only(view: View) -> View:
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not access.is_operator(request.user):
            raise PermissionDenied("This is for operators.")
        return view(request, *args, **kwargs)

    return guarded


@operators_only
@never_cache  # a link is shown once
def invitation_list(request: HttpRequest) -> HttpResponse:
    """The list; a POST makes an invitation, whose link the next look shows."""
    form = InvitationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        made, token = invitations.make(access.person(request), form.cleaned_data["note"])
        title = f"Link{f' for {made.note}' if made.note else ''}, works until {show.moment(made.expires_at)}"
        return _link_made(request, title, reverse("invitation", args=[token]))
    return _people(request, form=form)


@operators_only
@require_POST
def invitation_revoke(request: HttpRequest, pk: int) -> HttpResponse:
    invitations.revoke(pk)
    return redirect("invitations")


@operators_only
@require_POST
@never_cache
def password_link(request: HttpRequest) -> HttpResponse:
    """A link with which a person who forgot the password sets a new one, for an operator to hand over. Whoever has it
    can be that person."""
    if not access.may_stand_in(request.user):
        raise PermissionDenied("This is for operators who may do all that a person may.")
    form = PasswordLinkForm(request.POST, operator=access.person(request))
    if not form.is_valid():
        return _people(request, password_form=form)
    person: User = form.cleaned_data["person"]
    uid = urlsafe_base64_encode(force_bytes(person.pk))
    path = reverse("password_reset_confirm", args=[uid, default_token_generator.make_token(person)])
    return _link_made(request, f"Link for {person.get_username()} to set a new password", path)


def _link_made(request: HttpRequest, title: str, path: str) -> HttpResponse:
    return answers.shown_once(request, "invitations", title, request.build_absolute_uri(path))


def _people(request: HttpRequest, **context: Any) -> HttpResponse:
    asked = {
        "form": InvitationForm(), "password_form": PasswordLinkForm(operator=access.person(request)),
        "may_reset": access.may_stand_in(request.user), "made": answers.just_made(request, "invitations"), **context,
    }  # fmt: skip
    rows = Invitation.objects.select_related("created_by", "used_by").order_by("-created_at")[:200]
    usable = set(invitations.usable().values_list("pk", flat=True))
    return render(request, "account/invitations.html", {"invitations": rows, "usable": usable, **asked})
