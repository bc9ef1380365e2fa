"""Other systems' shapes over the same rooms, each in a thin file of its own."""

from ninja import NinjaAPI

from processing.api import problems, rates
from processing.api.dialects import image_queue, photo_processor, product_csv, quickbg, removebg

ABOUT = "Addresses and answers of other systems, for programs that were made for them."

api = NinjaAPI(
    title="photoproc, dialects", version="dialects", description=ABOUT, openapi_url="api/dialects/openapi.json",
    docs_url=None, throttle=rates.Rate(),
)  # fmt: skip
problems.handle(api)
for dialect in (photo_processor, quickbg, image_queue, product_csv, removebg):
    api.add_router("", dialect.router)
