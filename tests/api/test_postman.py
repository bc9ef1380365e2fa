"""The Postman collection in examples/ is that of the API as it is."""

import json
import re

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
    variables = {one["key"]: one["value"] for one in made["variable"]}
    assert variables == {
        "base_url": postman.BASE_URL, "token": "", "token_id": "", "job_id": "", "upload_id": "", "row_id": "",
        "background_id": "", "webhook_id": "", "delivery_id": "", "act_id": "",
    }  # fmt: skip
    create = next(one["request"] for one in items if one["name"] == "Send photos, a ZIP or a CSV")
    assert create["body"]["formdata"][0] == {"key": "files", "type": "file", "src": []}
    assert create["header"][0]["key"] == "Idempotency-Key"
    assert create["url"]["raw"] == "{{base_url}}/api/v1/jobs"
    job = next(one for one in items if one["request"]["url"]["raw"] == "{{base_url}}/api/v1/jobs/:job_id")
    assert [(one["key"], one["value"]) for one in job["request"]["url"]["variable"]] == [("job_id", "{{job_id}}")]
    assert json.loads(job["response"][0]["body"])["job_id"]


def test_a_run_of_all_of_it_touches_only_what_it_made() -> None:
    made = postman.collection(json.loads(api.document[0]))
    items = {one["name"]: one for folder in made["item"] for one in folder["item"]}
    for item in items.values():
        path = {one["key"]: one["value"] for one in item["request"]["url"].get("variable", [])}
        by_hand = item["request"]["method"] == "DELETE"
        assert path.pop("variant", "result") == "result"
        assert path == {key: "" if by_hand else f"{{{{{key}}}}}" for key in path}, item["name"]
        body = item["request"].get("body", {}).get("raw", "{}")
        assert json.loads(body).get("upload_ids", ["{{upload_id}}"]) == ["{{upload_id}}"]
    kept = re.compile(r'set\("(\w+)", pm\.response\.json\(\)\.\1\)')
    sets = {name: kept.findall(str(one["event"])) for name, one in items.items() if "event" in one}
    assert sets == {"Send photos, a ZIP or a CSV": ["job_id"], "Send one photo": ["job_id", "upload_id"]}
