"""The limits of a person in the admin, on the page of the user."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User

from processing.models import Allowance


class AllowanceInline(admin.StackedInline):  # type: ignore[type-arg]  # not subscriptable at run time
    model = Allowance
    verbose_name_plural = "Limits"


class PersonAdmin(UserAdmin):  # type: ignore[type-arg]
    def get_inlines(self, request: Any, obj: Any) -> Any:
        return [AllowanceInline] if obj else []


admin.site.unregister(User)
admin.site.register(User, PersonAdmin)
