"""Found by Django's admin: the pages of this app."""

from django.contrib import admin

from processing.admin import jobs, people

__all__ = ["jobs", "people"]

admin.site.site_header = admin.site.site_title = "photoproc"
admin.site.index_title = "Queue and people"
