"""Accounts in the admin, with a link to their coverage; deleting one deletes its data as well."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.humanize.templatetags.humanize import intcomma
from django.db.models import CASCADE, PROTECT, RESTRICT
from django.db.models.deletion import get_candidate_relations_to_delete
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.text import capfirst

from accounts.admin import PersonAdmin
from accounts.models import User
from dashboard.people import delete_account
from ingest import control

admin.site.unregister(User)


@admin.register(User)
class AccountAdmin(PersonAdmin):
    fieldsets = [*PersonAdmin.fieldsets, ("Data", {"fields": ["coverage"]})]
    readonly_fields = [*PersonAdmin.readonly_fields, "coverage"]

    @admin.display
    def coverage(self, obj: User) -> str:
        page = reverse("coverage_of_person", args=[obj.pk])
        return format_html(
            '<a href="{}">Which days are stored, and why others are missing</a>', page
        )

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        # Each deletion is a request to the processor, so accounts are deleted one at a time.
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Return what will be deleted, and how much: ten years are tens of thousands of rows.

        That needs no permission for each kind of row: the processor deletes them.
        """
        accounts: Any = User._meta
        counts = {str(accounts.verbose_name_plural): intcomma(len(objs))}
        protected = []
        relation: Any
        for relation in get_candidate_relations_to_delete(accounts):
            rows = relation.related_model._base_manager.filter(
                **{f"{relation.field.name}__in": objs}
            )
            number, name = intcomma(rows.count()), str(rows.model._meta.verbose_name_plural)
            if number == "0" or rows.model._meta.auto_created:
                continue
            if relation.on_delete is CASCADE:
                counts[name] = number
            elif relation.on_delete in (PROTECT, RESTRICT):
                protected.append(f"{capfirst(name)}: {number}")
        names = [f"{capfirst(accounts.verbose_name)}: {each}" for each in objs]
        return names, counts, set(), protected

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        delete_account(obj, lambda warning: self.message_user(request, warning, messages.WARNING))

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        try:
            return super().delete_view(request, object_id, extra_context)
        except control.ControlError as error:
            self.message_user(request, f"Deleting did not finish: {error}", messages.ERROR)
            return HttpResponseRedirect(reverse("admin:accounts_user_change", args=[object_id]))
