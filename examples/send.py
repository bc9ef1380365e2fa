#!/usr/bin/env python3
"""The least that a program needs: one photo in, its cut-out beside it. PHOTO_URL and PHOTO_TOKEN say where and who.

python examples/send.py shoe.jpg
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

import httpx

if len(sys.argv) != 2 or "PHOTO_TOKEN" not in os.environ:
    sys.exit("Name one photo, and set PHOTO_TOKEN.")
photo = Path(sys.argv[1])
uploads = f"{os.environ.get('PHOTO_URL', 'http://127.0.0.1:8000')}/api/v1/uploads"


def checked(answer: httpx.Response) -> httpx.Response:
    """Ends with the server's own sentence where it refuses."""
    if answer.is_error:
        sys.exit(answer.json()["detail"])
    return answer


who = {"Authorization": f"Bearer {os.environ['PHOTO_TOKEN']}"}
with httpx.Client(headers=who, timeout=60) as client:
    sent = checked(client.post(uploads, files={"file": (photo.name, photo.read_bytes())}))
    upload: dict[str, Any] = {"status": "queued"}
    while upload["status"] not in ("completed", "failed", "cancelled"):
        time.sleep(0.5)
        upload = checked(client.get(sent.headers["Location"])).json()
    if upload["error"]:
        sys.exit(f"{upload['error']['message']} {upload['error']['remedy']}")
    out = photo.with_name(f"{photo.stem}-cut.{upload['result']['format']}")
    out.write_bytes(checked(client.get(upload["result"]["url"])).content)
    print(out)
