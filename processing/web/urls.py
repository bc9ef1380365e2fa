from django.urls import path

from processing.web import downloads, jobs, models, new, photos

urlpatterns = [
    path("", new.page, name="new-job"),
    path("samples", new.samples, name="samples"),
    path("jobs/new", new.send_files, name="send-files"),
    path("jobs/<int:pk>/uploads", new.add_files, name="job-add"),
    path("jobs/<int:pk>/close", new.close, name="job-close"),
    path("jobs/", jobs.history, name="jobs"),
    path("jobs/<int:pk>/", jobs.page, name="job"),
    path("jobs/<int:pk>/photos", jobs.more_cards, name="job-photos"),
    path("jobs/<int:pk>/changes", jobs.changes, name="job-changes"),
    path("jobs/<int:pk>/progress", jobs.progress_fragment, name="job-progress"),
    path("jobs/<int:pk>/row", jobs.row, name="job-row"),
    path("jobs/<int:pk>/retry", jobs.retry, name="job-retry"),
    path("jobs/<int:pk>/cancel", jobs.cancel, name="job-cancel"),
    path("jobs/<int:pk>/delete", jobs.delete, name="job-delete"),
    path("jobs/<int:pk>/restore", jobs.restore, name="job-restore"),
    path("jobs/<int:pk>/rename", jobs.rename, name="job-rename"),
    path("jobs/<int:pk>/recipe.json", downloads.job_recipe, name="job-recipe"),
    path("jobs/<int:pk>/results.zip", downloads.job_zip, name="job-zip"),
    path("photos/retry", photos.retry, name="photos-retry"),
    path("photos/cancel", photos.cancel, name="photos-cancel"),
    path("photos/redo", photos.redo, name="photos-redo"),
    path("photos/review", photos.review, name="photos-review"),
    path("photos/<int:pk>/", photos.page, name="photo"),
    path("photos/<int:pk>/card", photos.card, name="photo-card"),
    path("photos/<int:pk>/files/<slug:variant>", downloads.photo_file, name="photo-file"),
    path("models/", models.page, name="models"),
    path("models/<slug:name>/allow", models.allow, name="model-allow"),
    path("models/<slug:name>/forbid", models.forbid, name="model-forbid"),
]
