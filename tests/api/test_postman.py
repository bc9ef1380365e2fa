"""The Postman collection in examples/ is that of the API as it is."""

import json

from processing.api.v1 import api
from script import postman


def test_the_file_is_up_to_date() -> None:
    """Else: `.venv/bin/python -m script.postman`."""
    assert postman.PLACE.read_text() == postman.text()


def test_every_operation_is_in_it_with_what_it_takes() -> None:
    document = json.loads(api.document[0])
    made = postman.collection(document)
    items = [one for folder in made["item"] for one in folder["item"]]
    assert len(items) == sum(len(operations) for operations in document["paths"].values())
    assert [one["key"] for one in made["variable"]] == ["base_url", "token"]
    create = next(one["request"] for one in items if one["name"] == "Send photos, a ZIP or a CSV")
    assert create["body"]["formdata"][0] == {"key": "files", "type": "file", "src": []}
    assert create["header"][0]["key"] == "Idempotency-Key"
    job = next(one for one in items if one["request"]["url"]["raw"] == "{{base_url}}/api/v1/jobs/:job_id")
    assert [one["key"] for one in job["request"]["url"]["variable"]] == ["job_id"]
    assert json.loads(job["response"][0]["body"])["job_id"]
