"""Where programs ask. The dialects' addresses are those of the systems that they speak for."""

from typing import Any

from django.urls import URLPattern, URLResolver, include, path

from processing.api import docs, document
from processing.api.dialects import api as dialects
from processing.api.v1 import api as v1


def open_to_programs(urls: list[Any]) -> list[Any]:
    """The API asks for a token itself: nobody is sent to sign in."""
    for entry in urls:
        if isinstance(entry, URLPattern):
            entry.callback.login_required = False  # type: ignore[attr-defined]
        elif isinstance(entry, URLResolver):
            open_to_programs(entry.url_patterns)
    return urls


v1_urls, v1_app, v1_namespace = v1.urls
dialect_urls, dialect_app, dialect_namespace = dialects.urls
urlpatterns = [
    path("api/docs", docs.page, name="api-docs"),
    path("api/v1/openapi.json", document.served, {"api": v1}, name="openapi-json"),
    path("api/v1/", include((open_to_programs(v1_urls), v1_app), v1_namespace)),
    path("", include((open_to_programs(dialect_urls), dialect_app), dialect_namespace)),
]
