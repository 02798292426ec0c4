from django.urls import path

from myhealth.health import health, ready
from myhealth.metrics import metrics

urlpatterns = [
    path("health", health),
    path("health/ready", ready),
    path("metrics", metrics),
]
handler400 = "myhealth.requests.bad_request"
handler404 = "myhealth.requests.not_found"
handler500 = "myhealth.requests.server_error"
