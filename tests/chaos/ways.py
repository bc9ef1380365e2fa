"""The ways in which people send, each a function."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from tests.chaos.load import RECIPES, Person, Sent, Way, files, sum_of, sums
from tests.pictures import picture


def by_form(person: Person) -> None:
    """The plain form of the page, which has a key too."""
    photos, recipe = person.some(1, 3), person.rng.choice(RECIPES)
    sent = person.sending("the form", sums(photos), recipe)
    fields = {"key": sent.key, "model": "u2netp", **recipe}
    if recipe["remove_bg"] == "false":
        del fields["remove_bg"]  # as a box without its tick

    def ask(wait: httpx.Timeout) -> httpx.Response:
        url = person.signed_in()
        return person.browser.post(f"{url}/", data={**fields, **person.csrf}, files=files(photos), timeout=wait)

    answer = person.ask(sent.way, ask)
    if answer is not None and answer.status_code == 303:
        sent.job = int(answer.headers["location"].strip("/").split("/")[-1])
    elif answer is not None and answer.status_code < 400:
        person.crowd.wrong.append(f"{sent} was answered {answer.status_code} {answer.headers.get('location')}")


def single(person: Person) -> None:
    photos, recipe = person.some(1, 1), person.rng.choice(RECIPES)
    sent = person.sending("one photo", sums(photos), recipe)
    [(name, data)] = photos.items()
    told = person.post(sent, "/api/v1/uploads", data=recipe, files={"file": (name, data)})
    sent.job = told["job_id"] if told else None


def several(person: Person) -> None:
    photos, recipe = person.some(2, 4), person.rng.choice(RECIPES)
    sent = person.sending("several", sums(photos), recipe)
    taken(person, sent, person.post(sent, "/api/v1/jobs", data=recipe, files=files(photos)))


def packed(person: Person) -> None:
    """A ZIP."""
    photos, recipe = person.some(2, 5), person.rng.choice(RECIPES)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in photos.items():
            archive.writestr(name, data)
    sent = person.sending("a ZIP", sums(photos), recipe)
    taken(person, sent, person.post(sent, "/api/v1/jobs", data=recipe, files=files({"all.zip": out.getvalue()})))


def products(person: Person) -> None:
    """A product CSV, whose photos the house fetches."""
    numbers = [next(person.world.numbers) for _ in range(person.rng.randint(2, 4))]
    addresses = {number: person.world.fetched.address(f"/photos/{number}.jpg") for number in numbers}
    lines = ["S. No.,Product Name,Input Image Urls", *(f"{number},Lamp,{url}" for number, url in addresses.items())]
    photos = {url: sum_of(picture(80 + number, quality=100)) for number, url in addresses.items()}
    sent = person.sending("a CSV", photos)
    csv = {"lamps.csv": "\r\n".join(lines).encode()}
    told = person.post(sent, "/api/v1/jobs", files=files(csv))
    sent.job = told["job_id"] if told else None


def bit_by_bit(person: Person) -> None:
    """An open job, more into it, and its end."""
    photos, more, recipe = person.some(1, 2), person.some(1, 2), person.rng.choice(RECIPES)
    sent = person.sending("an open job", sums(photos), recipe)
    sent.may_stay_open = True
    taken(person, sent, person.post(sent, "/api/v1/jobs", data={**recipe, "open": "true"}, files=files(photos)))
    if sent.job:
        place = f"/api/v1/jobs/{sent.job}"
        added = person.sending("added", sums(more), recipe)
        added.may_stay_open = True
        taken(person, added, person.post(added, f"{place}/uploads", files=files(more)))
        added.may_stay_open = sent.may_stay_open = person.post(sent, f"{place}/close") is None


def presigned(person: Person) -> None:
    """Straight into the bucket, by leave for each; then a job of their keys."""
    photos, recipe = person.some(1, 3), person.rng.choice(RECIPES)
    sent = person.sending("the bucket", sums(photos), recipe)
    wanted = [{"name": name, "size": len(data), "type": "image/jpeg"} for name, data in photos.items()]
    told = person.post(sent, "/api/v1/uploads/presigned", "-leave", json={"files": wanted})
    if told and all(_arrives(person, leave, photos[leave["name"]]) for leave in told["files"]):
        keys = [leave["key"] for leave in told["files"]]
        taken(person, sent, person.post(sent, "/api/v1/jobs", json={**recipe, "s3_keys": keys}))


def _arrives(person: Person, leave: Mapping[str, Any], data: bytes) -> bool:
    def ask(wait: httpx.Timeout) -> httpx.Response:
        return person.browser.post(leave["url"], data=leave["fields"], files={"file": data}, timeout=wait)

    answer = person.ask("what was sent into the bucket", ask)
    return answer is not None and answer.is_success


def taken(person: Person, sent: Sent, told: Mapping[str, Any] | None) -> None:
    """Keep what was acknowledged: all of it, as all of it is good."""
    if told is None:
        return
    sent.job = told["job_id"]
    if told["accepted"] != len(sent.photos) or told["refused"]:
        person.crowd.wrong.append(f"{sent} has {len(sent.photos)} good photos, and was told {told}")


WAYS: Sequence[Way] = (by_form, single, several, packed, products, bit_by_bit)
