"""The REST API, version 1. A second version would stand beside it for a year."""

from processing.api import document, problems, rates
from processing.api.v1 import (
    acts,
    catalogue,
    health,
    job,
    jobs,
    people,
    queue,
    queue_acts,
    results,
    rows,
    uploads,
    webhooks,
)

api = document.Documented(
    title="photoproc", version="1", description=document.ABOUT, openapi_url=None, docs_url=None, throttle=rates.Rate()
)
problems.handle(api)
for room in (people, jobs, job, results, acts, uploads, rows, catalogue, webhooks, queue, queue_acts, health):
    api.add_router("", room.router)
