from django.contrib import admin
from django.templatetags.static import static
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularSwaggerSplitView

from dashboard import views
from dashboard.manifest import manifest
from dashboard.pages.account import AccountPage
from dashboard.pages.calendar import CalendarPage
from dashboard.pages.days import DayPage, DaysPage
from dashboard.pages.deleting import DeleteAccountPage, DeleteDataPage, RemoveDemoPage
from dashboard.pages.nights import NightPage, NightsPage
from dashboard.pages.preferences import PreferencesPage
from dashboard.pages.today import TodayPage
from dashboard.pages.trends import TrendsPage
from dashboard.pages.weeks import WeeksPage
from dashboard.robots import robots
from ingest.models import METRIC_MODELS
from myhealth.openapi import SchemaView

# Before the site is asked for its addresses.
admin.autodiscover()

urlpatterns = [
    # Django tries them in this order, and most requests are for these.
    *(
        path(f"api/v1/{name}", views.rows_view(model).as_view(), name=name)
        for name, model in METRIC_MODELS.items()
    ),
    path("api/v1/dashboard", views.DashboardView.as_view(), name="dashboard"),
    path("api/v1/summaries", views.SummariesView.as_view(), name="summaries"),
    path("api/v1/coverage", views.CoverageView.as_view(), name="coverage"),
    path("api/v1/days/<str:day>", views.DayView.as_view(), name="day"),
    path("api/v1/marks", views.MarksView.as_view(), name="marks"),
    path("api/v1/trends", views.TrendsView.as_view(), name="api-trends"),
    path("api/v1/series/<str:name>", views.SeriesView.as_view(), name="api-series"),
    path("api/v1/nights/<str:day>", views.NightView.as_view(), name="api-night"),
    path("api/v1/types", views.TypesView.as_view(), name="types"),
    path("api/v1/export", views.ExportView.as_view(), name="export"),
    path("api/v1/", views.RootView.as_view(), name="api"),
    path("api/", RedirectView.as_view(pattern_name="api")),
    path("", TodayPage.as_view(), name="today"),
    path("days/", DaysPage.as_view(), name="days"),
    path("days/<str:day>/", DayPage.as_view(), name="day-page"),
    path("nights/", NightsPage.as_view(), name="nights"),
    path("nights/<str:day>/", NightPage.as_view(), name="night"),
    path("trends/", TrendsPage.as_view(), name="trends"),
    path("calendar/", CalendarPage.as_view(), name="calendar"),
    path("weeks/", WeeksPage.as_view(), name="weeks"),
    path("account/", AccountPage.as_view(), name="account"),
    path("account/preferences/", PreferencesPage.as_view(), name="preferences"),
    path("account/delete/", RedirectView.as_view(pattern_name="account")),
    path("account/delete/data/", DeleteDataPage.as_view(), name="delete-data"),
    path("account/delete/account/", DeleteAccountPage.as_view(), name="delete-account"),
    path("account/delete/demo/", RemoveDemoPage.as_view(), name="remove-demo"),
    path("api/schema/", SchemaView.as_view(), name="schema"),
    path(
        "api/docs/",
        SpectacularSwaggerSplitView.as_view(
            authentication_classes=[], template_name="dashboard/docs.html"
        ),
        name="docs",
    ),
    path("admin/coverage/", include("ingest.admin_coverage")),
    # Present passwords are asked for, and guesses counted, on one page only.
    path("admin/password_change/", RedirectView.as_view(pattern_name="password")),
    path("admin/", admin.site.urls),
    path("robots.txt", robots),
    path("manifest.webmanifest", manifest, name="manifest"),
    path("favicon.ico", RedirectView.as_view(url=static("myhealth/icon.svg"))),
]
