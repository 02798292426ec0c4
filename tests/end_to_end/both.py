"""The processor's routes and the sandbox's side by side, for tests that share one clock."""

from django.urls import include, path

from myhealth.urls.common import handler400, handler403, handler404, handler500

urlpatterns = [path("", include("ingest.urls")), path("", include("sandbox.urls"))]

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]
