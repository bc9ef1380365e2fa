"""Jobs and uploads in the admin: to look at, to retry and to cancel; their states are the ledger's."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest

from processing import access, bulk, show, steering
from processing.models import Job, Upload


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]  # not subscriptable at run time
    """Nothing is added or edited by hand."""

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return steering.may(access.person(request), "retry")

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return steering.may(access.person(request), "cancel")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [field.name for field in self.model._meta.fields]


@admin.action(description="Retry what failed or was cancelled", permissions=["retry"])
def retry(admin_: Any, request: HttpRequest, rows: "QuerySet[Any]") -> None:
    _say(request, bulk.at_once(access.person(request), "retry", _uploads(rows)), "queued again")


@admin.action(description="Cancel what has not ended", permissions=["cancel"])
def cancel(admin_: Any, request: HttpRequest, rows: "QuerySet[Any]") -> None:
    _say(request, bulk.at_once(access.person(request), "cancel", _uploads(rows)), "cancelled")


def _uploads(rows: "QuerySet[Any]") -> "QuerySet[Upload]":
    pks = rows.order_by().values("pk")
    return Upload.objects.filter(pk__in=pks) if rows.model is Upload else Upload.objects.filter(job__in=pks)


def _say(request: HttpRequest, count: int, done: str) -> None:
    messages.success(request, f"{show.counted(count, 'photo')} {done}.")


@admin.register(Job)
class JobAdmin(ReadOnly):
    list_display = ("id", "name", "owner", "created_at", "photos", "failed", "to_go")
    list_select_related = ("owner",)
    search_fields = ("name", "owner__username")
    date_hierarchy = "created_at"
    ordering = ("-id",)
    actions = (retry, cancel)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Job]":
        active = Q(uploads__status__in=["new", "queued", "processing"])
        rows: QuerySet[Job] = super().get_queryset(request)
        return rows.annotate(
            photo_count=Count("uploads"),
            failed_count=Count("uploads", filter=Q(uploads__status="failed")),
            active_count=Count("uploads", filter=active),
        )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # deleting is done on the job's page, where it can be undone

    @admin.display(ordering="photo_count")
    def photos(self, job: Any) -> int:
        return int(job.photo_count)

    @admin.display(ordering="failed_count")
    def failed(self, job: Any) -> int:
        return int(job.failed_count)

    @admin.display(ordering="active_count", description="to go")
    def to_go(self, job: Any) -> int:
        return int(job.active_count)


@admin.register(Upload)
class UploadAdmin(ReadOnly):
    list_display = ("id", "name", "job", "status", "needs_review", "attempts", "error_code", "error_message",
                    "changed_at")  # fmt: skip
    list_filter = ("status", "needs_review", "error_code")
    list_select_related = ("job",)
    search_fields = ("name", "job__name", "job__owner__username")
    show_full_result_count = False
    ordering = ("-id",)
    actions = (retry, cancel)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        hidden = set() if request.user.is_superuser else {"error_detail"}
        return [name for name in super().get_readonly_fields(request, obj) if name not in hidden]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.get_readonly_fields(request, obj)
