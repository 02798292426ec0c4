from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.widgets import AdminTextInputWidget
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts import attempts
from accounts.models import Origin, PersonalToken, User
from myhealth import time_zones
from myhealth.admin import CheckedAdmin, ReadOnlyAdmin

# What only superusers give and take away.
_RIGHTS = ["is_staff", "is_superuser", "groups", "user_permissions"]

_PERMISSIONS = "Permissions"

# Staff status is the only role.
admin.site.unregister(Group)


class TimeZoneInput(AdminTextInputWidget):
    """A text field in which browsers offer the names that have what was typed."""

    template_name = "accounts/time_zone.html"

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        context = super().get_context(name, value, {**(attrs or {}), "list": "time-zones"})
        context["widget"]["names"] = sorted(time_zones.names())
        return context


@admin.register(User)
class PersonAdmin(CheckedAdmin, UserAdmin):  # type: ignore[type-arg]
    list_display = ["username", "time_zone", "is_active", "is_staff", "last_login"]
    list_filter = ["is_active", "is_staff"]
    search_help_text = "User name, first or last name, or e-mail address."
    fieldsets = [
        (None, {"fields": ["username", "password", "is_active"]}),
        ("Personal info", {"fields": ["first_name", "last_name", "email", "time_zone"]}),
        (
            "Preferences",
            {"fields": ["temperature_unit", "distance_unit", "clock_hours", "first_weekday"]},
        ),
        (
            _PERMISSIONS,
            {"classes": ["collapse"], "fields": ["is_staff", "is_superuser", "user_permissions"]},
        ),
        ("Dates", {"fields": ["last_login", "date_joined"]}),
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
    readonly_fields = ["last_login", "date_joined"]
    filter_horizontal = ["user_permissions"]
    actions = ["sign_out_everywhere", "forget_failed_sign_ins"]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        shown = super().get_fieldsets(request, obj)
        return [each for each in shown if _is_superuser(request) or each[0] != _PERMISSIONS]

    def response_add(self, request: HttpRequest, obj: User, *args: Any, **kwargs: Any) -> Any:
        response = super().response_add(request, obj, *args, **kwargs)
        name = obj.get_username()
        if obj.has_usable_password():
            messages.info(
                request,
                f"Tell {name} to sign in at {settings.PUBLIC_URL}/ with the user name {name} and "
                "the password that you have chosen, and to change it on the account page.",
            )
        return response

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        fields = [*super().get_readonly_fields(request, obj)]
        return fields if _is_superuser(request) else [*fields, *_RIGHTS]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and _is_within_rights(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and _is_within_rights(request, obj)

    def formfield_for_dbfield(self, db_field: Any, request: Any, **options: Any) -> Any:
        # What the page showed goes with the form. Otherwise, what others changed since then would
        # be taken for changes of the one who has the page open.
        options["show_hidden_initial"] = True
        if db_field.name == "time_zone":
            options |= {
                "widget": TimeZoneInput,
                "help_text": "Type part of it, such as Berlin, and choose from the names offered.",
            }
        return super().formfield_for_dbfield(db_field, request, **options)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        # What the form only showed may have been changed meanwhile. (Permissions are no column.)
        columns = {field.name for field in User._meta.concrete_fields}
        obj.save(update_fields=columns.intersection(form.changed_data) if change else None)

    def save_related(self, request: Any, form: Any, formsets: Any, change: bool) -> None:
        """Give and take only those permissions that the editor chose differently."""
        chosen = form.cleaned_data.pop("user_permissions", None)
        super().save_related(request, form, formsets, change)
        if chosen is not None:
            shown = set(request.POST.getlist("initial-user_permissions"))
            held = form.instance.user_permissions
            held.add(*(each for each in chosen if str(each.pk) not in shown))
            held.remove(
                *(each for each in held.all() if str(each.pk) in shown and each not in chosen)
            )

    @admin.action(permissions=["change"], description="Sign out everywhere")
    def sign_out_everywhere(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        people = [each for each in queryset if self.has_change_permission(request, each)]
        for person in people:
            person.sign_out_everywhere()
            self.log_change(request, person, "Signed out everywhere.")
        messages.success(
            request, f"Signed out {len(people)} of {len(queryset)} accounts everywhere."
        )

    @admin.action(permissions=["change"], description="Forget failed sign-ins")
    def forget_failed_sign_ins(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Let people sign in whose failed tries keep them out."""
        allowed = [each.pk for each in queryset if self.has_change_permission(request, each)]
        attempts.forget(queryset.filter(pk__in=allowed))
        messages.success(
            request, f"Forgot the failed sign-ins of {len(allowed)} of {len(queryset)} accounts."
        )


def _is_superuser(request: HttpRequest) -> bool:
    return isinstance(request.user, User) and request.user.is_superuser


def _is_within_rights(request: HttpRequest, obj: User | None) -> bool:
    """Return whether an account is one's own or has no rights that staff could gain from it."""
    if obj is None or _is_superuser(request) or obj.pk == request.user.pk:
        return True
    return not (obj.is_staff or obj.is_superuser)


@admin.register(Origin)
class OriginAdmin(ReadOnlyAdmin):
    list_display = ["user", "name", "owner"]
    list_filter = ["name"]
    list_select_related = ["user"]
    search_fields = ["user__username"]
    search_help_text = "User name."


@admin.register(PersonalToken)
class PersonalTokenAdmin(ReadOnlyAdmin):
    """Deleting a token revokes it. Tokens of people with rights are theirs to revoke."""

    list_display = ["name", "user", "created_at", "expires_at", "last_used_at"]
    list_select_related = ["user"]
    fields = ["name", "user", "created_at", "expires_at", "last_used_at"]
    search_fields = ["name", "user__username"]
    search_help_text = "Name of a token, or user name."
    # One at a time: their people differ in rights.
    actions = None

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        may_delete = CheckedAdmin.has_delete_permission(self, request, obj)
        return may_delete and _is_within_rights(request, obj and obj.user)
