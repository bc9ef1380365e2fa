"""The OpenAPI document, and the page that shows it."""

from typing import Any

from ninja import NinjaAPI

from processing.api import problems

ABOUT = "Send photos, watch them, fetch what became of them."


class Documented(NinjaAPI):
    """Says of every operation what an error looks like."""

    def get_openapi_schema(self, *args: Any, **kwargs: Any) -> Any:
        schema = super().get_openapi_schema(*args, **kwargs)
        for operations in schema["paths"].values():
            for operation in operations.values():
                operation["responses"].setdefault(
                    "default", {"description": "A problem", "content": {problems.CONTENT_TYPE: {"schema": {}}}}
                )
        return schema
