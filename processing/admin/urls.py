"""The queue of the house, under /admin/processing/queue/: for operators alone."""

from django.contrib import admin
from django.urls import path

from processing.admin import acts, dashboard, queue, steer

operators = admin.site.admin_view

urlpatterns = [
    path("", operators(queue.page), name="queue"),
    path("changes", operators(dashboard.fragments), name="queue-fragments"),
    path("log", operators(queue.log), name="queue-log"),
    path("photos/<int:pk>/", operators(queue.why), name="queue-why"),
    path("preview", operators(acts.preview), name="queue-preview"),
    path("act", operators(acts.act), name="queue-act"),
    path("stop", operators(acts.stop), name="queue-act-stop"),
    path("photos.zip", operators(acts.download), name="queue-download"),
    path("pause", operators(steer.pause), name="queue-pause"),
    path("resume", operators(steer.resume), name="queue-resume"),
    path("drain", operators(steer.drain), name="queue-drain"),
    path("workers", operators(steer.workers), name="queue-workers"),
    path("breaker", operators(steer.breaker), name="queue-breaker"),
]
