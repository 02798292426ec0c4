"""Connections: to view and to disconnect. Tokens are never shown."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from myhealth.admin import ReadOnlyAdmin
from oura import connections, tokens
from oura.models import Connection


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        ended = [(kind.value, kind.label) for kind in Connection.Ended]
        return [("connected", "connected"), *ended, ("problem", "had a problem in the last run")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "connected":
                return queryset.filter(ended="")
            case "problem":
                return queryset.exclude(problem="")
            case kind if kind in Connection.Ended:
                return queryset.filter(ended=kind)
        return queryset


@admin.register(Connection)
class ConnectionAdmin(ReadOnlyAdmin):
    # Deleting a row would leave its tokens valid at Oura, so disconnecting is a separate action.
    list_display = ["user", "state", "expires_at", "collected_at", "present_problem"]
    list_filter = [StateFilter]
    list_select_related = ["user"]
    search_fields = ["user__username"]
    search_help_text = "User name."
    readonly_fields = (
        "user",
        "state",
        "scopes",
        "expires_at",
        "connected_at",
        "wanted_at",
        "asked_at",
        "finished_at",
        "collected_at",
        "present_problem",
    )
    fields = readonly_fields
    actions = ["disconnect"]

    @admin.display(description="problem")
    def present_problem(self, obj: Connection) -> str:
        return tokens.present_problem(obj)

    @admin.display
    def state(self, obj: Connection) -> str:
        return tokens.why_lost(obj) or "connected"

    def has_disconnect_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("oura.delete_connection"))

    @admin.action(
        description="Disconnect selected connections and revoke their tokens at Oura",
        permissions=["disconnect"],
    )
    def disconnect(self, request: HttpRequest, queryset: QuerySet[Connection]) -> None:
        for connection in queryset:
            name, revoked = str(connection), connections.disconnect(connection)
            level = messages.SUCCESS if revoked else messages.WARNING
            result = (
                "disconnected." if revoked else "disconnected here, but Oura did not confirm it."
            )
            self.message_user(request, f"{name}: {result}", level)
