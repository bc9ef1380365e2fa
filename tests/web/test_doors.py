"""What holds at every address: nothing is changed by a page of elsewhere or by a look, nobody is led elsewhere, and
each answer says how browsers are to take it."""

import re
import subprocess
import sys
from collections.abc import Callable
from http.cookies import Morsel
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from urllib.parse import quote, urljoin, urlsplit

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import Client
from django.urls import reverse

from processing.sessions import SessionStore
from tests import make
from tests.admin.test_access import state
from tests.api.answers import content
from tests.environment import ROOT
from tests.web.walk import Route, Things, fields, routes, things, undone

SignIn = Callable[[User], Client]

OURS, ADMIN = routes(""), routes("admin", "django_rq")
ELSEWHERE = [
    "https://evil.example/", "//evil.example/", "///evil.example", "////evil.example", "/\\evil.example",
    "\\\\evil.example", "/\t/evil.example", "\t//evil.example", "/\n//evil.example", "https:evil.example",
    "https:/evil.example", "https:///evil.example", "http://evil.example", "ftp://evil.example",
    "javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,<b>", "//evil.example\\@testserver",
    "https://testserver@evil.example/", "https://testserver.evil.example/", "//testserver:80@evil.example",
    "/%09/evil.example", "/.//evil.example", "/x/..//evil.example", "\x01//evil.example", " //evil.example",
    "//evil.example/%2f..", "https://[evil.example", "//[::1]evil", "\u2028//evil.example", "／／evil.example",
]  # fmt: skip


@pytest.fixture
def walked(alice: User) -> Things:
    return things(alice)


@pytest.fixture
def admin(admin_user: User, as_user: SignIn) -> Client:
    return as_user(admin_user)


def get(client: Client, route: Route, walked: Things) -> Any:
    answer = client.get(route.address(walked))
    content(answer)  # which closes a file
    return answer


# ---- nothing is changed but by a form of ours ------------------------------------------------------------------------


def test_a_post_without_the_token_of_a_form_of_ours_is_refused_everywhere(walked: Things, admin_user: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user, backend="django.contrib.auth.backends.ModelBackend")
    before = state()
    posted = {str(route): client.post(route.address(walked), {"next": "/"}) for route in (*OURS, *ADMIN)}
    assert {name: answer for name, answer in posted.items() if answer.status_code != 403} == {}
    assert state() == before


def test_nor_does_the_token_help_a_page_of_elsewhere(alice: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    client.get("/")
    sent, path = {"csrfmiddlewaretoken": client.cookies["csrftoken"].value, "next": "/"}, reverse("signing-secret")
    said = [
        client.post(path, sent, headers={"Origin": origin}).status_code
        for origin in ("https://evil.example", "null", "http://testserver.evil.example", "http://testserver:81")
    ]
    assert said == [403] * 4
    assert client.post(path, sent, headers={"Origin": "http://testserver"}).status_code == 303


def test_a_look_changes_nothing(walked: Things, admin: Client) -> None:
    admin.get(reverse("account"))  # the first look there makes the secret of callbacks
    before = state()
    seen = {str(route): get(admin, route, walked).status_code for route in (*OURS, *ADMIN)}
    assert {name for name, status in seen.items() if status == 500} == set()
    assert {route.name for route in OURS if seen[route.name] == 200} >= {"job", "photo", "product", "queue", "links"}
    assert state() == before


# ---- nobody is led elsewhere -----------------------------------------------------------------------------------------


def leads_to(answer: Any) -> str:
    """The host to which a browser goes: it takes \\ for /, and leaves out what cannot be seen."""
    place = re.sub(r"[\t\r\n]", "", answer["Location"].strip()).replace("\\", "/")
    return urlsplit(urljoin("http://testserver/somewhere/", place)).netloc


@pytest.mark.parametrize("place", ELSEWHERE)
def test_no_next_leads_elsewhere(place: str, alice: User, as_user: SignIn) -> None:
    client, job = as_user(alice), make.job(alice)
    judged = make.upload(alice, status="completed", verdict="accepted").pk
    answers = [
        client.post(reverse("job-cancel", args=[job.pk]), {"next": place}),
        client.post(f"{reverse('photos-review')}?verdict=undo&upload={judged}&to={quote(place)}", {"next": "/"}),
        client.get(reverse("login"), {"next": place}),
        client.post(reverse("logout"), {"next": place}),
        Client().post(reverse("login"), {"next": place, "username": "alice", "password": "alice-password"}),
    ]
    assert {leads_to(answer) for answer in answers} == {"testserver"}


def test_no_address_leads_elsewhere(walked: Things, admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever field it asks where to go by, and whatever page it was asked from."""
    names = fields(admin, (*OURS, *ADMIN), walked, monkeypatch)
    assert {"next", "next_url", "here"} <= set(names)
    asked, led, seen = dict.fromkeys(names, "//evil.example/"), set(), 0
    for route in (*OURS, *ADMIN):
        for more in (asked, {"next": "//evil.example/", "next_url": "//evil.example/"}):
            for ask in (admin.get, admin.post):
                with undone(admin):
                    answer = ask(route.address(walked), more, headers={"Referer": "//evil.example/"})
                    content(answer)
                seen += answer.has_header("Location")
                if answer.has_header("Location") and leads_to(answer) != "testserver":
                    led.add(str(route))
    assert led == set()
    assert seen > 50


# ---- headers ---------------------------------------------------------------------------------------------------------


def test_every_answer_says_how_it_is_to_be_taken(walked: Things, admin: Client) -> None:
    answers = {str(route): get(admin, route, walked) for route in (*OURS, *ADMIN)}
    answers |= {path: admin.get(path) for path in ("/nowhere", "/api/v1/jobs", "/api/v1/nowhere", "/api/docs")}
    answers["nobody"], answers["a form without a token"] = Client().get("/"), Client(enforce_csrf_checks=True).post("/")
    wrong = {name: missing for name, answer in answers.items() if (missing := lacks(answer))}
    assert wrong == {}


def test_so_does_a_mistake_of_ours(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    admin.raise_request_exception = False
    for trouble, status in ((RuntimeError("broken"), 500), (OperationalError("gone"), 503)):
        monkeypatch.setattr("processing.history.find", Mock(side_effect=trouble))
        answer = admin.get(reverse("jobs"))
        assert (answer.status_code, lacks(answer), runs_what_stands_in_it(answer)) == (status, [], False)
        assert "broken" not in answer.text


def test_no_script_runs_that_stands_in_a_page(walked: Things, admin: Client) -> None:
    """RQ's own pages, which are superusers', have theirs in line."""
    looser = {str(route) for route in (*OURS, *ADMIN) if runs_what_stands_in_it(get(admin, route, walked))}
    assert looser
    assert {name.partition(":")[0] for name in looser} == {"django_rq"}


def runs_what_stands_in_it(answer: Any) -> bool:
    policy = answer["Content-Security-Policy"] + ";"  # whose parts stand in any order
    return "default-src 'none'" not in policy or "script-src 'self';" not in policy or "unsafe" in policy


def lacks(answer: Any) -> list[str]:
    expected = {
        "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin", "Permissions-Policy": "camera=()", "X-Request-ID": "req-",
        "Content-Security-Policy": "frame-ancestors 'none'",
    }  # fmt: skip
    return [name for name, value in expected.items() if value not in answer.get(name, "")]


def test_a_page_of_somebody_is_kept_by_nobody_else(walked: Things, admin: Client) -> None:
    """A proxy between that keeps what may be kept would show it to others."""
    public = {
        str(route) for route in OURS if "public" in get(admin, route, walked).get("Cache-Control", "")
    }  # fmt: skip
    assert public == {"output"}


# ---- cookies ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_https", [False, True])
def test_cookies_are_for_our_own_pages_alone(is_https: bool, alice: User, settings: Any) -> None:
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = is_https
    client = Client()
    client.get(reverse("login"))
    client.post(reverse("login"), {"username": "alice", "password": "alice-password"})
    client.post(reverse("signing-secret"), {"next": "/nowhere"})  # leaves a message for the next page
    found: dict[str, Morsel[str]] = dict(client.cookies)
    assert found.keys() == {"sessionid", "csrftoken", "messages"}
    assert {name for name, cookie in found.items() if cookie["httponly"]} == {"sessionid", "messages"}
    assert {(cookie["samesite"], bool(cookie["secure"]), cookie["domain"]) for cookie in found.values()} == {
        ("Lax", is_https, "")
    }


@pytest.mark.parametrize("key", ["\\000aaaaaaaaaaaa", "\\377\\376aaaaaaaaa", "a" * 5000, "' OR 1=1 --"])
def test_a_session_that_cannot_be_is_none(key: str, db: None, django_assert_num_queries: Any) -> None:
    """A cookie may hold a NUL, which PostgreSQL refuses with an error."""
    asked = {path: Client().get(path, HTTP_COOKIE=f'sessionid="{key}"').status_code for path in ("/", "/api/v1/jobs")}
    assert asked == {"/": 302, "/api/v1/jobs": 401}
    with django_assert_num_queries(0):
        assert not SessionStore().exists("\0" + key)


def test_signing_in_as_oneself_forgets_no_tries_at_others(alice: User, bob: User, settings: Any) -> None:
    """Else somebody with an account could try another's password without end."""
    settings.AXES_FAILURE_LIMIT = 3

    def sign_in(name: str, password: str) -> int:
        return int(Client().post(reverse("login"), {"username": name, "password": password}).status_code)

    said = [sign_in("alice", "wrong"), sign_in("bob", "wrong"), sign_in("bob", "bob-password"), sign_in("alice", "no")]
    assert said == [200, 200, 302, 200]
    assert sign_in("alice", "no") == 429


def test_who_signs_in_gets_a_new_session(alice: User) -> None:
    client = Client()
    client.cookies["sessionid"] = "of-somebody-who-knows-it"
    client.post(reverse("login"), {"username": "alice", "password": "alice-password"})
    assert client.cookies["sessionid"].value != "of-somebody-who-knows-it"


# ---- hosts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "evil.example:8000", "localhost@evil", "a b"]
)
def test_another_host_is_answered_nothing(host: str, walked: Things, admin: Client, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["localhost"]
    for path in ("/", "/account/login/", "/account/password/reset/", "/api/v1/jobs", "/admin/"):
        answer = admin.get(path, headers={"Host": host})
        assert (answer.status_code, "evil" in answer.text) == (400, False)


def test_a_proxys_word_for_the_host_is_not_believed(admin: Client) -> None:
    answer = admin.post(
        reverse("invitations"), {"note": "x"}, headers={"X-Forwarded-Host": "evil.example"}, follow=True
    )
    assert "evil.example" not in answer.text
    assert "http://testserver/account/invitation/" in answer.text


# ---- a house that is reached by https --------------------------------------------------------------------------------


def test_django_finds_nothing_to_say_of_a_house_with_an_https_address(tmp_path: Path) -> None:
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "INFO"]
    env = {"PHOTO_DATA_DIR": str(tmp_path), "PHOTO_URL": "https://photos.example.com", "PYTHON_DOTENV_DISABLED": "1"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "System check identified no issues (0 silenced).\n"), done.stderr
