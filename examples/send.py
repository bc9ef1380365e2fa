#!/usr/bin/env python3
"""The least that a program needs: one photo in, its cut-out beside it. PHOTO_URL and PHOTO_TOKEN say where and who.

python examples/send.py shoe.jpg
"""

import os
import sys
import time
from pathlib import Path

import httpx

photo = Path(sys.argv[1])
token = os.environ["PHOTO_TOKEN"]
api = f"{os.environ.get('PHOTO_URL', 'http://127.0.0.1:8000')}/api/v1"

with httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
    sent = client.post(f"{api}/uploads", files={"file": (photo.name, photo.read_bytes())}).raise_for_status()
    upload = client.get(sent.headers["Location"]).json()
    while upload["status"] not in ("completed", "failed", "cancelled"):
        time.sleep(0.5)
        upload = client.get(sent.headers["Location"]).raise_for_status().json()
    if upload["error"]:
        sys.exit(f"{upload['error']['message']} {upload['error']['remedy']}")
    out = photo.with_name(f"{photo.stem}-cut.{upload['result']['format']}")
    out.write_bytes(client.get(upload["result"]["url"]).raise_for_status().content)
    sys.stdout.write(f"{out}\n")
