"""The admin site's application."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.contrib import admin
from django.contrib.admin.apps import SimpleAdminConfig
from django.contrib.admin.checks import check_admin_app, check_dependencies
from django.core import checks


class LazyAdminConfig(SimpleAdminConfig):
    """Django's admin, whose classes are imported only where they are served or checked.

    Every process has the admin's tables, and only the API its pages: the other services and the
    commands start sooner, and need less memory. `dashboard.urls` imports the classes.
    """

    def ready(self) -> None:
        checks.register(check_dependencies, checks.Tags.admin)
        checks.register(_check_classes, checks.Tags.admin)


def _check_classes(
    app_configs: Sequence[AppConfig] | None, **options: Any
) -> Sequence[checks.CheckMessage]:
    admin.autodiscover()
    return check_admin_app(app_configs, **options)
