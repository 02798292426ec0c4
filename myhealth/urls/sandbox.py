from django.urls import include, path

from myhealth.urls.common import handler400, handler403, handler404, handler500

urlpatterns = [path("", include("sandbox.urls"))]

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]
