from typing import Any

from axes.models import AccessFailureLog, AccessLog
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from dashboard.models import User
from ingest import control
from oura import connections
from oura.models import Connection

admin.site.site_header = admin.site.site_title = "myhealth"
admin.site.index_title = "What is held"
# Roles are a question of staff or not; tokens are nobody's to look at; these logs are not kept.
for model in (Group, OutstandingToken, BlacklistedToken, AccessLog, AccessFailureLog):
    admin.site.unregister(model)


@admin.register(User)
class PersonAdmin(UserAdmin):  # type: ignore[type-arg]
    list_display = ["username", "time_zone", "is_active", "is_staff", "last_login"]
    list_filter = ["is_active", "is_staff"]
    fieldsets = [
        (None, {"fields": ["username", "password"]}),
        ("Person", {"fields": ["first_name", "last_name", "email", "time_zone"]}),
        ("May", {"fields": ["is_active", "is_staff", "is_superuser", "user_permissions"]}),
        ("When", {"fields": ["last_login", "date_joined"]}),
        ("Days", {"fields": ["coverage"]}),
    ]
    add_fieldsets = [
        (
            None,
            {
                "classes": ["wide"],
                "fields": ["username", "time_zone", "usable_password", "password1", "password2"],
            },
        ),
    ]
    readonly_fields = ["last_login", "date_joined", "coverage"]
    filter_horizontal = ["user_permissions"]

    @admin.display
    def coverage(self, obj: User) -> str:
        page = reverse("admin:ingest_reading_coverage_of", args=[obj.pk])
        return format_html('<a href="{}">Which days are held, and why others are not</a>', page)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        # One at a time: each is a question to the processor.
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What goes with a person; their metrics are not this process's to refuse or to delete."""
        found, counts, _, protected = super().get_deleted_objects(objs, request)
        return found, counts, set(), protected

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        control.forget(obj.username)
        if held := Connection.objects.filter(user=obj).first():
            connections.disconnect(held)
        obj.delete()

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        try:
            return super().delete_view(request, object_id, extra_context)
        except control.ControlError as error:
            self.message_user(request, f"Nothing was deleted: {error}", messages.ERROR)
            return HttpResponseRedirect(reverse("admin:dashboard_user_change", args=[object_id]))
