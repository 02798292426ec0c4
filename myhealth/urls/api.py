from django.urls import include, path

from myhealth.urls.common import handler400, handler403, handler404, handler500

urlpatterns = [
    path("", include("dashboard.urls")),
    path("", include("accounts.urls")),
    path("", include("oura.urls")),
]

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]
