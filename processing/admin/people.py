"""How much a person may send, in the admin: by itself, for operators, and on the user's page, for those who may change
users. (Who may change users may make superusers, so operators need not.)"""

from typing import Any

from axes.admin import AccessAttemptAdmin
from axes.models import AccessAttempt
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User

from processing.models import Allowance

LIMITS = ("photos_a_day", "stored_mb", "photos_in_flight")
NOTE = "Empty is the limit of the house, 0 is none."


@admin.register(Allowance)
class AllowanceAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not subscriptable at run time
    list_display = ("owner", *LIMITS)
    list_select_related = ("owner",)
    search_fields = ("owner__username",)
    ordering = ("owner__username",)
    fieldsets = ((None, {"fields": ("owner", *LIMITS), "description": NOTE}),)

    def get_readonly_fields(self, request: Any, obj: Any = None) -> tuple[str, ...]:
        return ("owner",) if obj else ()


class OfPerson(admin.StackedInline):  # type: ignore[type-arg]
    model = Allowance
    verbose_name_plural = "limits"
    fieldsets = ((None, {"fields": LIMITS, "description": NOTE}),)


admin.site.unregister([User, AccessAttempt])


@admin.register(User)
class PersonAdmin(UserAdmin):  # type: ignore[type-arg]
    def get_inlines(self, request: Any, obj: Any) -> Any:
        return [OfPerson] if obj else []  # the page on which one is made asks for name and password alone


@admin.register(AccessAttempt)
class AttemptAdmin(AccessAttemptAdmin):  # type: ignore[misc]
    """Of django-axes, without its action, which asks for no permission."""

    actions = ()
