"""Signing in and out, passwords, invitations."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from axes.utils import reset as forget_failed_tries
from django.contrib.auth.models import User
from django.core import mail
from django.test import AsyncClient, Client
from django.utils import timezone

from processing import invitations
from processing.hooks import signing
from processing.hooks.signing import secret_of
from processing.models import Invitation

SignIn = Callable[[User], Any]
NEW = {"username": "nina", "email": "", "password1": "quiet-harbour-7", "password2": "quiet-harbour-7"}

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_failed_tries(db: None) -> Iterator[None]:
    forget_failed_tries()
    yield
    forget_failed_tries()


def nobody() -> Any:
    """A browser without a session."""
    return Client()


def sign_in(client: Any, name: str, password: str, address: str = "", next: str = "") -> Any:
    extra = {"REMOTE_ADDR": address} if address else {}
    return client.post("/account/login/", {"username": name, "password": password, "next": next}, **extra)


def text(response: Any) -> str:
    return " ".join(response.content.decode().split())


def link_in(response: Any) -> str:
    found = re.search(r'value="http://testserver(/account/[^"]+)"', response.content.decode())
    assert found
    return found.group(1)


# ---- in and out ----------------------------------------------------------------------------------------------------


def test_a_stranger_is_led_to_the_sign_in_page_and_then_back(client: Any, alice: User) -> None:
    response = client.get("/account/?tab=1")
    assert response.url == "/account/login/?next=/account/%3Ftab%3D1"
    assert 'name="next" value="/account/?tab=1"' in text(client.get(response.url))
    assert sign_in(client, "alice", "alice-password", next="/account/?tab=1").url == "/account/?tab=1"


def test_signing_in_leads_to_a_new_job(client: Any, alice: User) -> None:
    assert sign_in(client, "alice", "alice-password").url == "/"


@pytest.mark.parametrize("next", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_signing_in_never_leads_to_another_house(client: Any, alice: User, next: str) -> None:
    assert sign_in(client, "alice", "alice-password", next=next).url == "/"
    assert client.get("/account/login/", {"next": next}).url == "/"


def test_who_is_in_need_not_sign_in(as_user: SignIn, alice: User) -> None:
    assert as_user(alice).get("/account/login/").url == "/"


def test_a_wrong_password_is_said_in_one_sentence(client: Any, alice: User) -> None:
    page = text(sign_in(client, "alice", "wrong"))
    assert "Name and password do not match. Capitals count in both." in page
    assert 'value="alice"' in page


def test_an_unknown_name_gets_the_same_sentence(client: Any, alice: User) -> None:
    assert "Name and password do not match." in text(sign_in(client, "nobody", "wrong"))


def test_signing_out_needs_a_post_and_ends_the_session(as_user: SignIn, alice: User) -> None:
    client = as_user(alice)
    assert client.get("/account/logout/").status_code == 405
    assert client.post("/account/logout/").url == "/account/login/"
    assert client.get("/account/").status_code == 302


def test_who_is_out_already_can_sign_out(client: Any) -> None:
    assert client.post("/account/logout/").url == "/account/login/"


def test_too_many_wrong_passwords_lock_the_account_wherever_they_come_from(
    client: Any, alice: User, settings: Any
) -> None:
    settings.AXES_FAILURE_LIMIT = 3
    for _ in range(3):
        response = sign_in(client, "alice", "wrong", "10.0.0.1")
    assert response.status_code == 429
    assert response.headers["Retry-After"] == "900"
    assert "works again 15 min after the last try" in text(response)
    assert sign_in(client, "alice", "alice-password", "10.0.0.1").status_code == 429
    assert sign_in(client, "alice", "alice-password", "10.0.0.2").status_code == 429


def test_a_lock_out_says_so_under_asgi_too(alice: User, settings: Any) -> None:
    settings.AXES_FAILURE_LIMIT = 1
    response = async_to_sync(AsyncClient().post)("/account/login/", {"username": "alice", "password": "wrong"})
    assert (response.status_code, response.headers["Retry-After"]) == (429, "900")


def test_an_address_cannot_try_one_account_after_the_other(client: Any, alice: User, bob: User, settings: Any) -> None:
    settings.AXES_FAILURE_LIMIT = 2
    for name in ("alice", "olga"):
        sign_in(client, name, "wrong", "10.0.0.1")
    assert sign_in(client, "bob", "bob-password", "10.0.0.1").status_code == 429
    assert sign_in(client, "bob", "bob-password", "10.0.0.2").status_code == 302


# ---- the own page and its password ---------------------------------------------------------------------------------


def test_the_own_page_names_the_person(as_user: SignIn, alice: User) -> None:
    page = text(as_user(alice).get("/account/"))
    assert "alice@example.com" in page
    assert "/account/invitations/" not in page


def test_operators_find_the_invitations_there(as_user: SignIn, olga: User) -> None:
    assert "/account/invitations/" in text(as_user(olga).get("/account/"))


def test_the_signing_secret_is_made_anew_at_once(as_user: SignIn, alice: User, bob: User) -> None:
    old, bobs, client = signing.secret_of(alice), signing.secret_of(bob), as_user(alice)
    assert f'value="{old}"' in text(client.get("/account/"))
    answer = client.post("/account/signing-secret/", {"next": "/account/"}, follow=True)
    new = signing.secret_of(alice)
    assert (new != old, signing.secret_of(bob)) == (True, bobs)
    assert f'value="{new}"' in text(answer)
    assert old not in text(answer)
    assert client.get("/account/signing-secret/").status_code == 405


def test_changing_the_password_keeps_this_session_and_ends_the_others(as_user: SignIn, alice: User) -> None:
    here, elsewhere = as_user(alice), as_user(alice)
    asked = {"old_password": "alice-password", "new_password1": "quiet-harbour-7", "new_password2": "quiet-harbour-7"}
    assert here.post("/account/password/", asked).url == "/account/password/done/"
    assert "The password is changed" in text(here.get("/account/password/done/"))
    assert elsewhere.get("/account/").status_code == 302
    assert sign_in(nobody(), "alice", "quiet-harbour-7").status_code == 302


def test_a_weak_new_password_is_refused_with_the_rule(as_user: SignIn, alice: User) -> None:
    asked = {"old_password": "alice-password", "new_password1": "short", "new_password2": "short"}
    answer = as_user(alice).post("/account/password/", asked)
    assert "at least 8 characters" in text(answer)
    assert list(answer.context["form"].errors) == ["new_password1"]  # where it was typed first


def test_the_old_password_is_asked_for(as_user: SignIn, alice: User) -> None:
    asked = {"old_password": "wrong", "new_password1": "quiet-harbour-7", "new_password2": "quiet-harbour-7"}
    assert "This is not your current password." in text(as_user(alice).post("/account/password/", asked))


# ---- a forgotten password ------------------------------------------------------------------------------------------


def test_a_house_without_mail_says_so(client: Any) -> None:
    assert "Mail is not set up here: ask an operator" in text(client.get("/account/password/reset/"))


def test_a_mailed_link_sets_a_new_password_once(client: Any, alice: User, settings: Any) -> None:
    settings.CAN_SEND_MAIL, settings.URL = True, "http://photos.example:8000"
    response = client.post("/account/password/reset/", {"email": "alice@example.com"}, headers={"host": "testserver"})
    assert response.url == "/account/password/reset/sent/"
    assert "Look into your mail" in text(client.get(response.url))
    found = re.search(r"http://photos\.example:8000(/\S+)", str(mail.outbox[0].body))
    assert found
    _set_password(client, found.group(1))
    assert "does not work any more" in text(nobody().get(found.group(1)))


def test_an_unknown_email_gets_the_same_answer_and_no_mail(client: Any, alice: User, settings: Any) -> None:
    settings.CAN_SEND_MAIL = True
    response = client.post("/account/password/reset/", {"email": "nobody@example.com"})
    assert response.url == "/account/password/reset/sent/"
    assert not mail.outbox


def _set_password(client: Any, link: str) -> None:
    form = client.get(link).url
    assert "Set a new password" in text(client.get(form))
    asked = {"new_password1": "quiet-harbour-7", "new_password2": "quiet-harbour-7"}
    assert client.post(form, asked).url == "/account/password/reset/complete/"
    assert "The password is set" in text(client.get("/account/password/reset/complete/"))
    assert sign_in(nobody(), "alice", "quiet-harbour-7").status_code == 302


def reset_link(client: Any, person: User) -> Any:
    return client.post("/account/invitations/password-link/", {"person": person.pk}, follow=True)


def test_an_operator_makes_a_reset_link(as_user: SignIn, olga: User, alice: User) -> None:
    response = reset_link(as_user(olga), alice)
    _set_password(nobody(), link_in(response))


def test_a_reset_link_ends_a_lock_out(as_user: SignIn, olga: User, alice: User, settings: Any) -> None:
    settings.AXES_FAILURE_LIMIT = 1
    assert sign_in(nobody(), "alice", "wrong").status_code == 429
    _set_password(nobody(), link_in(reset_link(as_user(olga), alice)))


def test_an_operator_cannot_take_over_a_superuser_or_another_operator(as_user: SignIn, olga: User) -> None:
    for rights in ({"is_superuser": True}, {"is_staff": True}):
        other = User.objects.create_user(f"other-{next(iter(rights))}", "", "other-password", **rights)
        response = reset_link(as_user(olga), other)
        assert "/password/reset/" not in text(response)


def test_an_operator_makes_no_link_who_may_not_do_all_that_the_person_may(
    as_user: SignIn, olga: User, otto: User, alice: User
) -> None:
    assert "Make a reset link" in text(as_user(olga).get("/account/invitations/"))
    assert "Make a reset link" not in text(as_user(otto).get("/account/invitations/"))
    assert reset_link(as_user(otto), alice).status_code == 403


def test_a_superuser_can_make_a_link_for_an_operator(as_user: SignIn, olga: User) -> None:
    root = User.objects.create_superuser("root", "", "root-password")
    assert link_in(reset_link(as_user(root), olga))


# ---- invitations ---------------------------------------------------------------------------------------------------


def test_invitations_are_for_operators(as_user: SignIn, alice: User, olga: User) -> None:
    made, _ = invitations.make(olga)
    client = as_user(alice)
    assert client.get("/account/invitations/").status_code == 403
    assert client.post("/account/invitations/", {"note": "me"}).status_code == 403
    assert client.post(f"/account/invitations/{made.pk}/revoke/").status_code == 403
    assert client.post("/account/invitations/password-link/", {"person": olga.pk}).status_code == 403
    assert Invitation.objects.get() == made


def test_an_invitation_makes_an_account_and_signs_in(as_user: SignIn, olga: User, client: Any) -> None:
    response = as_user(olga).post("/account/invitations/", {"note": "Nina, studio"}, follow=True)
    assert "Link for Nina, studio" in text(response)
    link = link_in(response)
    assert "Make an account" in text(client.get(link))
    assert client.post(link, NEW).url == "/"
    assert "nina" in text(client.get("/account/"))
    assert not User.objects.get(username="nina").is_staff
    assert Invitation.objects.get().used_by == User.objects.get(username="nina")


def test_the_link_is_shown_once(as_user: SignIn, olga: User) -> None:
    client = as_user(olga)
    link = link_in(client.post("/account/invitations/", {"note": "Nina"}, follow=True))
    page = text(client.get("/account/invitations/"))
    assert "Nina" in page
    assert link not in page
    assert Invitation.objects.count() == 1
    assert link.split("/")[-2] not in str(Invitation.objects.values())


def test_a_link_works_once(olga: User) -> None:
    _, token = invitations.make(olga)
    nobody().post(f"/account/invitation/{token}/", NEW)
    response = nobody().post(f"/account/invitation/{token}/", {**NEW, "username": "second"})
    assert response.status_code == 404
    assert "This link does not work any more" in text(response)
    assert not User.objects.filter(username="second").exists()


def test_of_two_who_use_a_link_at_once_the_second_gets_no_account(olga: User) -> None:
    _, token = invitations.make(olga)
    first, second = invitations.find(token), invitations.find(token)
    assert first
    assert second
    invitations.accept(first, User(username="first"))
    with pytest.raises(invitations.Spent):
        invitations.accept(second, User(username="second"))
    assert set(User.objects.values_list("username", flat=True)) == {"olga", "first"}
    assert Invitation.objects.get().used_by == User.objects.get(username="first")


def test_an_expired_link_does_not_work(olga: User, client: Any) -> None:
    made, token = invitations.make(olga)
    Invitation.objects.filter(pk=made.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert client.get(f"/account/invitation/{token}/").status_code == 404
    with pytest.raises(invitations.Spent):
        invitations.accept(made, User(username="late"))


def test_a_revoked_link_does_not_work(as_user: SignIn, olga: User) -> None:
    made, token = invitations.make(olga)
    client = as_user(olga)
    assert client.post(f"/account/invitations/{made.pk}/revoke/").url == "/account/invitations/"
    assert nobody().get(f"/account/invitation/{token}/").status_code == 404


def test_a_used_invitation_cannot_be_revoked_and_stays_in_the_list(olga: User, alice: User) -> None:
    made, _ = invitations.make(olga)
    Invitation.objects.filter(pk=made.pk).update(used_at=timezone.now(), used_by=alice)
    assert not invitations.revoke(made.pk)
    assert Invitation.objects.exists()


def test_a_made_up_link_does_not_work(client: Any) -> None:
    assert client.get("/account/invitation/made-up/").status_code == 404


def test_who_has_an_account_is_told_so(as_user: SignIn, olga: User, alice: User) -> None:
    _, token = invitations.make(olga)
    client = as_user(alice)
    assert "You are signed in as alice" in text(client.get(f"/account/invitation/{token}/"))
    client.post(f"/account/invitation/{token}/", NEW)
    assert invitations.find(token)


def test_a_taken_name_is_refused_and_what_was_typed_is_kept(olga: User, alice: User, client: Any) -> None:
    _, token = invitations.make(olga)
    page = text(client.post(f"/account/invitation/{token}/", {**NEW, "username": "Alice", "email": "n@example.com"}))
    assert "Somebody has this name already." in page
    assert 'value="n@example.com"' in page
    assert invitations.find(token)


def test_a_name_that_was_taken_a_moment_ago_is_refused_too(
    olga: User, alice: User, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, token = invitations.make(olga)
    monkeypatch.setattr("processing.web.accounts.NewAccountForm.clean_username", lambda form: "alice")
    monkeypatch.setattr("processing.web.accounts.NewAccountForm.validate_unique", lambda form: None)
    assert "Somebody has this name already." in text(client.post(f"/account/invitation/{token}/", NEW))
    assert invitations.find(token)


# ---- open sign-up --------------------------------------------------------------------------------------------------


def test_sign_up_is_closed_unless_opened(client: Any) -> None:
    assert client.get("/account/sign-up/").status_code == 404
    assert client.post("/account/sign-up/", NEW).status_code == 404
    assert "Make an account" not in text(client.get("/account/login/"))


def test_an_open_house_makes_accounts(client: Any, settings: Any) -> None:
    settings.OPEN_SIGN_UP = True
    assert "Make an account" in text(client.get("/account/login/"))
    assert client.post("/account/sign-up/", {**NEW, "is_staff": "on", "is_superuser": "on"}).url == "/"
    made = User.objects.get()
    assert not made.is_staff
    assert not made.is_superuser
    assert client.get("/account/sign-up/").url == "/"


def test_no_page_holds_inline_script_or_style(as_user: SignIn, olga: User, client: Any) -> None:
    pages = [client.get("/account/login/"), as_user(olga).get("/account/invitations/"), as_user(olga).get("/account/")]
    for page in pages:
        assert not re.search(r"<style|<script(?![^>]*\bsrc=)| style=| on[a-z]+=", page.content.decode())


def test_a_person_finds_the_secret_that_callbacks_are_signed_with(alice: User, bob: User, as_user: SignIn) -> None:
    shown = [re.findall(r"whsec_[\w+/=]+", as_user(user).get("/account/").content.decode()) for user in (alice, bob)]
    assert shown == [[secret_of(alice)], [secret_of(bob)]]
    assert shown[0] != shown[1]
