from django.urls import path

from ingest import views
from myhealth.openapi import RoutesView, SchemaView

urlpatterns = [
    path("api/v1/", RoutesView.as_view()),
    path("api/v1/ingest", views.IngestView.as_view()),
    path("api/v1/metrics/coverage", views.MetricsCoverageView.as_view()),
    path("api/v1/metrics/ledger", views.LedgerView.as_view()),
    path("api/v1/metrics/<str:type_>", views.MetricsView.as_view()),
    path("api/v1/reports", views.ReportsView.as_view()),
    path("api/v1/runs", views.RunsView.as_view()),
    path("api/v1/rejected/<int:pk>/retry", views.RetryView.as_view()),
    path("api/v1/people/<str:user>", views.PersonView.as_view()),
    path("api/schema/", SchemaView.as_view()),
]
