"""The REST API, version 1. A second version would stand beside it for a year."""

from django.contrib.auth.decorators import login_not_required
from ninja import NinjaAPI

from processing.api import document, problems, rates
from processing.api.v1 import catalogue, health, jobs, people, queue, rows, uploads, webhooks

api = document.Documented(
    title="photoproc", version="1", description=document.ABOUT, openapi_url="/openapi.json", docs_url=None,
    docs_decorator=login_not_required, throttle=rates.Rate(),
)  # fmt: skip
problems.handle(api)
for room in (people, jobs, uploads, rows, catalogue, webhooks, queue, health):
    api.add_router("", room.router)
