"""Every address, in one place per door."""

from django.contrib import admin
from django.urls import include, path

from processing.web import errors, health, metrics

urlpatterns = [
    path("", include("processing.web.urls")),
    path("account/", include("processing.web.account_urls")),
    path("", include("processing.api.urls")),
    path("admin/rq/", include(("processing.admin.rq", "django_rq"))),
    path("admin/processing/queue/", include("processing.admin.urls")),
    # Django's way to the page of any row, of tables too that are none.
    path("admin/r/<path:row>", errors.no_such_page, name="any-row"),
    path("admin/", admin.site.urls),
    path("health", health.alive, name="health"),
    path("ready", health.ready, name="ready"),
    path("metrics", metrics.page, name="metrics"),
]
handler400 = errors.bad_request
handler403 = errors.forbidden
handler404 = errors.not_found
handler500 = errors.mistake
