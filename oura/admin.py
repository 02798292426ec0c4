"""Connections, to look at and to end; tokens are nobody's to see."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from myhealth.admin import ReadOnlyAdmin
from oura import connections
from oura.models import Connection


@admin.register(Connection)
class ConnectionAdmin(ReadOnlyAdmin):
    # Deleting a row would leave its tokens good at Oura: disconnecting is an action of its own.
    list_display = ["user", "state", "expires_at", "collected_at", "problem"]
    list_filter = ["ended"]
    list_select_related = ["user"]
    search_fields = ["user__username"]
    readonly_fields = (
        "user",
        "state",
        "scopes",
        "expires_at",
        "connected_at",
        "asked_at",
        "collected_at",
        "problem",
    )
    fields = readonly_fields
    actions = ["disconnect"]

    @admin.display
    def state(self, obj: Connection) -> str:
        return obj.get_ended_display() or "connected"

    def has_disconnect_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("oura.delete_connection"))

    @admin.action(description="Disconnect, at Oura too", permissions=["disconnect"])
    def disconnect(self, request: HttpRequest, queryset: QuerySet[Connection]) -> None:
        for held in queryset:
            name, revoked = str(held), connections.disconnect(held)
            level = messages.SUCCESS if revoked else messages.WARNING
            said = "disconnected." if revoked else "disconnected here; Oura did not confirm it."
            self.message_user(request, f"{name}: {said}", level)
