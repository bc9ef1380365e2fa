"""Whose every address of ours is. A new route must stand here."""

from processing.api.dialects import api as dialects
from processing.api.v1 import api as v1

WALKED_ELSEWHERE = {"admin", "django_rq", v1.urls_namespace, dialects.urls_namespace}  # the last two in tests/api
NOWHERE = {"any-row"}
OPEN = {"login", "sign-up", "invitation", "health", "ready", "metrics", "password_reset", "password_reset_done",
        "password_reset_confirm", "password_reset_complete", "output", "api-docs", "openapi-json"}  # fmt: skip
PERSON = {"models", "new-job", "samples", "send-files", "jobs", "photos-retry", "photos-cancel", "photos-redo",
          "photos-review", "account", "logout", "password_change", "password_change_done", "presets", "preset-save",
          "background-add", "links", "products", "webhooks", "webhook-add", "tokens", "tokens-forget",
          "signing-secret", "statistics"}  # fmt: skip
JOB_READ = {"job", "job-photos", "job-changes", "job-progress", "job-row", "job-zip", "job-recipe"}
JOB_WRITE = {"job-add", "job-close", "job-retry", "job-cancel", "job-delete", "job-rename"}
DELETED_JOB_WRITE = {"job-restore"}
PHOTO_READ, PHOTO_WRITE = {"photo", "photo-card", "photo-file"}, {"photo"}
OPERATOR = {"invitations", "password-link", "invitation-revoke"}
OPERATOR_MODEL = {"model-allow", "model-forbid"}
PRESET_READ, PRESET_WRITE, PRESET_OPERATOR = {"preset-default"}, {"preset-rename", "preset-delete"}, {"preset-share"}
PRODUCT_READ = {"product", "product-recipe", "product-rows", "product-changes"}
PRODUCT_WRITE = {"product-start", "product-read", "product-recipe", "product-callback", "product-leave-out",
                 "product-retry"}  # fmt: skip
ROW_WRITE = {"row-mend", "row-leave-out", "row-undo", "row-retry"}
LINKS = {"links-make", "links-revoke", "product-csv"}  # walked in test_links
# walked in test_webhooks:
WEBHOOKS = {"webhook", "webhook-change", "webhook-rotate", "webhook-test", "webhook-pause", "webhook-resume",
            "webhook-remove", "webhook-replay", "webhook-send", "delivery", "delivery-replay"}  # fmt: skip
QUEUE_READ = {"queue", "queue-fragments", "queue-log", "queue-why", "queue-preview"}
QUEUE_WRITE = {"queue-act", "queue-act-stop", "queue-pause", "queue-resume", "queue-drain", "queue-workers",
               "queue-breaker", "queue-download"}  # fmt: skip
KEPT = PRESET_READ | PRESET_WRITE | PRESET_OPERATOR | {"background", "background-delete", "token-revoke"}
OF_A_JOB = JOB_WRITE | PHOTO_WRITE | PRODUCT_WRITE | ROW_WRITE | {"links-make", "links-revoke", "photos-retry",
            "photos-cancel", "photos-redo", "photos-review"}  # fmt: skip
