"""What a house writes down while people and programs use it, with every library telling all that it does: no secret."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests import bucket
from tests.conftest import picture
from tests.environment import ROOT
from tests.house import PASSWORD, House, token, wait_for
from tests.receiver import Receiver, listening

pytestmark = [pytest.mark.weights, pytest.mark.timeout(300)]

KEY = "key-of-the-storage-4711"
TYPED, INVITED, RENEWED = "a-wrong-password", "quiet-harbour-8", "quiet-harbour-9"
CALLED, FETCHED = "key-of-a-callback", "signature-of-an-address"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Takes webhooks, and has a photo at every address."""
    with listening() as made:
        made.body, made.headers = picture(), {"content-type": "image/jpeg"}
        yield made


@pytest.fixture
def house(tmp_path: Path, receiver: Receiver) -> Iterator[House]:
    store = bucket.start(tmp_path)
    allow = f"localhost:{receiver.port}"
    made = House(
        tmp_path, LOG_LEVEL="DEBUG", PHOTO_WORKERS="1", PHOTO_IO_WORKERS="1", PHOTO_FETCH_ALLOW=allow,
        STORAGE_URL=store.url.replace(bucket.SECRET, KEY),
    )  # fmt: skip
    yield made
    made.stop()
    store.stop()


class Journey:
    """What a person and programs do; `secrets` are those that they meet on their way, by what they are."""

    def __init__(self, house: House, receiver: Receiver) -> None:
        self.house, self.receiver = house, receiver
        self.secrets = {
            "the password of an operator": PASSWORD, "a wrong password": TYPED, "of an invited person": INVITED,
            "set anew": RENEWED, "the storage's key": KEY, "in a callback's address": CALLED,
            "in a photo's address": FETCHED,
        }  # fmt: skip
        if (house.folder / "secret_key").exists():
            self.secrets["the house's own"] = (house.folder / "secret_key").read_text().strip()
        httpx.post(f"{house.url}/account/login/", data={"username": "admin", "password": TYPED})
        self.client = house.client()
        self.secrets |= {f"the cookie {name}": value for name, value in self.client.cookies.items()}

    def post(self, page: str, path: str, **fields: str) -> httpx.Response:
        answer = self.client.post(path, data={**fields, **token(self.client.get(page).text)})
        assert answer.status_code in (200, 302, 303), answer.text
        return answer

    def found(self, name: str, pattern: str, page: str) -> str:
        """A secret that a page shows."""
        match = re.search(pattern, self.client.get(page).text)
        assert match, name
        self.secrets[name] = match[1]
        return match[1]

    def programs(self) -> None:
        page = "/account/tokens/"
        self.post(page, page, name="Shop", scopes="read", life="hour")
        secret = self.found("a token", r"(pho_[\w-]{20,})", page)
        asked = {"username": "admin", "password": PASSWORD}
        answer = httpx.post(f"{self.house.url}/api/v1/tokens", json=asked)
        assert answer.status_code == 201, answer.text
        made = answer.json()
        self.secrets["a token made by a program"] = made["token"]
        headers = {"Authorization": f"Bearer {made['token']}"}
        callback = f"{self.receiver.url}?key={CALLED}"
        answer = httpx.post(
            f"{self.house.url}/api/v1/jobs", headers=headers, files={"files": ("cup.jpg", picture())},
            data={"model": "u2netp", "remove_bg": "false", "callback_url": callback},
        )  # fmt: skip
        assert answer.status_code == 202, answer.text
        address = self.house.url.replace("http", "ws") + "/ws/images"
        for offered, more in (([Subprotocol(f"bearer.{secret}")], {}), (None, headers)):
            with connect(address, subprotocols=offered, additional_headers=more) as made_socket:
                made_socket.recv(timeout=30)
        httpx.get(f"{self.house.url}/api/v1/jobs", params={"token": secret}, headers={"X-Api-Key": secret})

    def hooks(self) -> None:
        self.found("the secret of callbacks", r"(whsec_[\w+/=]+)", "/account/")
        address = f"{self.receiver.url}?key={CALLED}"
        self.post("/webhooks/", "/webhooks/add", url=address, types="job.completed", next="/webhooks/")
        self.found("the secret of a webhook", r"(whsec_[\w+/=]+)", "/webhooks/1/")
        self.post("/webhooks/", "/webhooks/1/test", next="/webhooks/")

    def people(self) -> None:
        self.post("/account/invitations/", "/account/invitations/", note="Ina")
        invitation = self.found("an invitation", r"/account/invitation/([\w-]+)/", "/account/invitations/")
        path, ina = f"/account/invitation/{invitation}/", httpx.Client(base_url=self.house.url)
        self.house.clients.append(ina)
        asked = {"username": "ina", "password1": INVITED, "password2": INVITED}
        assert ina.post(path, data={**asked, **token(ina.get(path).text)}).status_code == 302
        (pk,) = self.house.rows("SELECT id FROM auth_user WHERE username = 'ina'")[0]
        self.post("/account/invitations/", "/account/invitations/password-link/", person=str(pk))
        address = self.found("a link for a password", r"/account/password/reset/(\w+/[\w-]+)/", "/account/invitations/")
        form = ina.get(f"/account/password/reset/{address}/").headers["location"]
        asked = {"new_password1": RENEWED, "new_password2": RENEWED}
        assert ina.post(form, data={**asked, **token(ina.get(form).text)}).status_code == 302

    def products(self) -> None:
        url = f"http://localhost:{self.receiver.port}/cup.jpg?signature={FETCHED}"
        csv = {"files": ("spring.csv", f"S. No.,Product Name,Input Image Urls\r\n1,Cup,{url}\r\n".encode())}
        answer = self.client.post("/", data=token(self.client.get("/").text), files=csv)
        place = answer.headers["location"]
        self.post(place, f"{place}start", preset="white")
        wait_for(lambda: self.house.counts() == {"completed": 2}, 120)
        text = self.client.get(f"{place}results.csv").text
        link = urlsplit(re.findall(r"http[^,\s]+/links/[^,\s]+", text)[0])
        self.secrets["the code of an output link"] = link.path.split("/")[2]
        there = httpx.get(f"{self.house.url}{link.path}").headers["location"]
        self.secrets["a signature of the bucket"] = parse_qs(urlsplit(there).query)["X-Amz-Signature"][0]


def test_no_secret_is_written_down_whatever_people_and_programs_do(house: House, receiver: Receiver) -> None:
    journey = Journey(house, receiver)
    journey.programs()
    journey.hooks()
    journey.people()
    journey.products()
    wait_for(lambda: len(receiver.got) >= 4, 60)  # the callback, the webhook's events, the photo
    journey.post("/", "/account/logout/")
    assert house.stop() == 0
    text = house.log.read_text()
    written = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    assert {"debug", "info"} <= {line.get("level") for line in written}
    assert len(written) > 50
    assert {name for name, secret in journey.secrets.items() if secret in text} == set()


def test_what_does_not_answer_is_told_without_its_password(tmp_path: Path) -> None:
    env = {
        "PHOTO_DATA_DIR": str(tmp_path), "PYTHON_DOTENV_DISABLED": "1", "LOG_LEVEL": "DEBUG",
        "DATABASE_URL": "postgres://photoproc:word-of-the-database@127.0.0.1:1/photoproc",
        "REDIS_URL": "redis://:word-of-redis@127.0.0.1:1/0",
        "STORAGE_URL": "s3://key:word-of-the-storage@photos/house?endpoint=http://127.0.0.1:1",
    }  # fmt: skip
    command = [sys.executable, "manage.py", "doctor"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert len(done.stdout + done.stderr) > 100
    assert "word-of" not in done.stdout + done.stderr
