"""The page of the models, and the switch that operators have on it."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from processing import catalogue, crew, installed, queue
from processing.models import AllowedModel
from tests import make

SignIn = Callable[[User], Client]
FORBIDDEN = "bria-rmbg"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only u2netp is on this machine."""
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    catalogue.MODELS["u2netp"].path.touch()


def article(client: Client, name: str) -> str:
    """What the page says of one model, in words."""
    page = client.get(reverse("models")).content.decode()
    found = re.search(rf'<article id="model-{name}">(.*?)</article>', page, re.DOTALL)
    assert found
    return " ".join(re.sub(r"<[^>]+>", " ", found[1]).split())


def test_every_model_is_there_with_size_licence_and_checksum(alice: User, as_user: SignIn) -> None:
    client = as_user(alice)
    for name, weights in catalogue.ALL.items():
        said = article(client, name)
        assert f"{weights.about}." in said
        assert f"{weights.megabytes} MB" in said
        assert weights.licence in said
        assert weights.checksum in said


def test_what_is_installed_is_marked_and_an_operator_sees_the_command_for_the_rest(
    alice: User, olga: User, as_user: SignIn
) -> None:
    client = as_user(alice)
    assert "u2netp Default Installed" in article(client, "u2netp")
    assert "Not installed" in article(client, "silueta")
    assert article(client, "silueta").endswith("Staff can add it.")
    assert article(as_user(olga), "silueta").endswith("To install it: .venv/bin/python manage.py fetch_weights silueta")


def test_the_seconds_are_those_measured_here(alice: User, as_user: SignIn) -> None:
    facts = {"model": "u2netp", "timings": {"background": 1.42}}
    make.upload(alice, status="completed", finished_at=timezone.now(), facts=facts)
    client = as_user(alice)
    assert "Fast; 1.4 s per photo here" in article(client, "u2netp")
    assert "Fast; not used yet" in article(client, "silueta")


def test_on_what_a_model_runs_is_told_and_where_machines_differ_on_which(
    alice: User, as_user: SignIn, empty_redis: None
) -> None:
    client = as_user(alice)
    assert "Runs on not known Size" in article(client, "u2netp")
    crew.tell(queue.PHOTOS, 1, "", {"u2netp": "openvino"})
    assert "Runs on the processor by OpenVINO Size" in article(client, "u2netp")
    said = {"host": "gpu-1", "size": 1, "trouble": "", "at": queue.quick().time()[0]}
    queue.quick().hset("photoproc:machines:photos", "gpu-1:/data", json.dumps(said))
    queue.quick().hset("photoproc:engines:photos", "gpu-1:/data", json.dumps({"u2netp": "cuda"}))
    both = article(client, "u2netp")
    assert "the GPU (CUDA) (gpu-1)" in both
    assert f"the processor by OpenVINO ({crew.HOST})" in both


def test_the_page_is_there_while_redis_is_away(alice: User, as_user: SignIn, settings: Any) -> None:
    client = as_user(alice)
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    assert "Installed" in article(client, "u2netp")


def test_an_operator_turns_a_model_on_and_off(alice: User, olga: User, as_user: SignIn) -> None:
    client, page = as_user(olga), reverse("models")
    assert "Not for commercial use Off" in article(client, FORBIDDEN)
    answer = client.post(reverse("model-allow", args=[FORBIDDEN]), {"next": page})
    assert (answer.status_code, answer["Location"]) == (303, page)
    assert "Turned on by olga, today" in article(as_user(alice), FORBIDDEN)
    assert client.post(reverse("model-forbid", args=[FORBIDDEN])).status_code == 204
    assert "Staff can turn it on." in article(as_user(alice), FORBIDDEN)


def test_others_see_no_switch_and_have_none(alice: User, as_user: SignIn) -> None:
    client = as_user(alice)
    assert "Turn on" not in article(client, FORBIDDEN)
    assert client.post(reverse("model-allow", args=[FORBIDDEN])).status_code == 403
    assert not AllowedModel.objects.exists()


@pytest.mark.parametrize("name", ["u2netp", "yunet", "no-such-model"])
def test_there_is_nothing_to_switch_at_the_others(name: str, olga: User, as_user: SignIn) -> None:
    assert as_user(olga).post(reverse("model-allow", args=[name])).status_code == 404
    assert as_user(olga).post(reverse("model-forbid", args=[name])).status_code == 404


def test_a_link_changes_nothing(olga: User, as_user: SignIn) -> None:
    installed.allow(FORBIDDEN, olga)
    assert as_user(olga).get(reverse("model-forbid", args=[FORBIDDEN])).status_code == 405
    assert AllowedModel.objects.exists()
