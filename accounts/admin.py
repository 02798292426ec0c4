from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from accounts import attempts
from accounts.models import Origin, User
from myhealth.admin import ReadOnlyAdmin

# Staff status is the only role, and tokens are secrets.
for model in (Group, OutstandingToken, BlacklistedToken):
    admin.site.unregister(model)


@admin.register(User)
class PersonAdmin(UserAdmin):  # type: ignore[type-arg]
    list_display = ["username", "time_zone", "is_active", "is_staff", "last_login"]
    list_filter = ["is_active", "is_staff"]
    fieldsets = [
        (None, {"fields": ["username", "password"]}),
        ("Personal info", {"fields": ["first_name", "last_name", "email", "time_zone"]}),
        ("Permissions", {"fields": ["is_active", "is_staff", "is_superuser", "user_permissions"]}),
        ("Important dates", {"fields": ["last_login", "date_joined"]}),
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
    actions = ["forget_failed_sign_ins"]

    @admin.action(description="Forget failed sign-ins", permissions=["change"])
    def forget_failed_sign_ins(self, request: HttpRequest, users: QuerySet[User]) -> None:
        """Let people in whom failed tries to sign in keep out."""
        attempts.forget(users)
        self.message_user(request, "The failed sign-ins of these accounts are forgotten.")


@admin.register(Origin)
class OriginAdmin(ReadOnlyAdmin):
    list_display = ["user", "name", "owner"]
    list_filter = ["name"]
    list_select_related = ["user"]
