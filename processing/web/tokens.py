"""Tokens: the page on which a person makes those of their programs, and revokes them."""

from datetime import timedelta
from typing import Any

from django import forms
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from processing import access, show, tokens
from processing.errors import PhotoError
from processing.models import Scope
from processing.web import answers

PER_PAGE = 50
NEVER = "never"
LIVES = {"hour": timedelta(hours=1), "month": timedelta(days=30), "year": timedelta(days=365)}
SCOPES = {
    Scope.READ: "See jobs and photos, download results.",
    Scope.WRITE: "Send photos; retry, cancel and delete them.",
    Scope.QUEUE: "See everybody's jobs and steer the queue: for operators.",
}


class TokenForm(forms.Form):
    name = forms.CharField(max_length=tokens.NAME_LENGTH)
    scopes = forms.MultipleChoiceField(choices=list(SCOPES.items()), initial=[Scope.READ, Scope.WRITE])
    life = forms.ChoiceField(
        label="Works for",
        choices=[("hour", "1 hour"), ("month", "30 days"), ("year", "1 year"), (NEVER, "Until I revoke it")],
        initial="month",
    )
    narrow = forms.BooleanField(required=False)
    name.error_messages["required"] = "A token needs a name."
    scopes.error_messages["required"] = "Choose what it may do."

    def __init__(self, *args: Any, is_operator: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not is_operator:
            self.fields["scopes"].choices = self.fields["scopes"].choices[:-1]  # type: ignore[attr-defined]


@never_cache  # a secret is shown once
def page(request: HttpRequest) -> HttpResponse:
    """The list; a POST makes a token, whose secret the next look shows."""
    person = access.person(request)
    form = TokenForm(request.POST or None, is_operator=access.is_operator(person))
    if request.method == "POST" and form.is_valid():
        asked = form.cleaned_data
        ends = None if asked["life"] == NEVER else timezone.now() + LIVES[asked["life"]]
        try:
            made = tokens.make(person, asked["name"], asked["scopes"], expires_at=ends, is_narrow=asked["narrow"])
        except PhotoError as error:
            form.add_error("scopes", error.detail)
        else:
            until = show.moment(ends) if ends else "you revoke it"
            return answers.shown_once(request, "tokens", f"Token {made.token.name}, works until {until}", made.secret)
    rows = access.tokens(person).order_by("-pk")
    working, ended = rows.filter(tokens.usable()), rows.exclude(tokens.usable())
    context = {
        "form": form, "made": answers.just_made(request, "tokens"), "now": timezone.now(),
        "page": Paginator(working, PER_PAGE).get_page(request.GET.get("page")),
        "ended": ended[:PER_PAGE], "ended_count": ended.count(),
    }  # fmt: skip
    return render(request, "account/tokens.html", context, status=422 if form.errors else 200)


@require_POST
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    if not tokens.revoke(access.token(request.user, pk)):
        return answers.refused(request, "nothing_to_do", "It was revoked already.")
    return answers.done(request, "Revoked. Programs that use it are turned away from now on.")


@require_POST
def forget(request: HttpRequest) -> HttpResponse:
    count = tokens.forget_ended(access.person(request))
    return answers.done(request, f"{show.counted(count, 'token')} forgotten.")
