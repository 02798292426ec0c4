from django.urls import include, path

from myhealth.urls.common import handler400, handler404, handler500
from myhealth.urls.common import urlpatterns as common

urlpatterns = [*common, path("", include("oura.sandbox.urls"))]

__all__ = ["handler400", "handler404", "handler500", "urlpatterns"]
