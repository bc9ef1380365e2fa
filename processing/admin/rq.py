"""django-rq's own pages, for superusers: it lets any staff user empty and requeue."""

from functools import wraps
from typing import Any

from csp.decorators import csp_replace
from django.contrib import admin
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase
from django.http.response import HttpResponseRedirectBase
from django.urls import NoReverseMatch, path
from django.views.generic import RedirectView
from django_rq import stats_views
from django_rq.urls import get_admin_urlpatterns
from rq.exceptions import NoSuchJobError

from processing.web import answers

# A job that is done meanwhile, names that are none, pages of a scheduler that we have not.
NOT_THERE = (NoSuchJobError, ValueError, ImproperlyConfigured, NoReverseMatch)
INLINE = ["'self'", "'unsafe-inline'"]  # its pages carry scripts and styles in line


def superusers_only(view: Any) -> Any:
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_superuser:
            raise PermissionDenied
        try:
            response: HttpResponseBase = view(request, *args, **kwargs)
        except NOT_THERE as error:
            raise Http404 from error
        if isinstance(response, HttpResponseRedirectBase):  # it leads wherever a form or a Referer says
            response["Location"] = answers.safe(request, response.url)
        return response

    return admin.site.admin_view(csp_replace({"script-src": INLINE, "style-src": INLINE})(guarded))


urlpatterns = [
    # ours says the same, without the clean-up that its own runs with every look
    path("metrics", RedirectView.as_view(pattern_name="metrics"), name="metrics"),
    path("stats.json", superusers_only(stats_views.stats_json), name="home_json"),
    *get_admin_urlpatterns(view_wrapper=superusers_only),
]
