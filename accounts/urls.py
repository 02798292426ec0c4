from django.contrib.auth.views import LogoutView
from django.urls import include, path

from accounts import pages, views
from accounts.reset import ResetPage

_session_urls = [
    path("login/", pages.Login.as_view(), name="login"),
    path("logout/", pages.require_post(LogoutView.as_view()), name="logout"),
]

urlpatterns = [
    # The namespace in which the browsable API looks for its login.
    path("accounts/", include((_session_urls, "rest_framework"))),
    path("account/password/", pages.PasswordPage.as_view(), name="password"),
    path("account/reset/<str:uidb64>/<str:token>/", ResetPage.as_view(), name="reset-password"),
    path("account/tokens/", pages.TokensPage.as_view(), name="tokens"),
    path("account/tokens/<int:pk>/revoke/", pages.revoke_token, name="revoke-token"),
    path("account/sign-out/", pages.sign_out_everywhere, name="sign-out-everywhere"),
    path("auth/login", views.LoginView.as_view()),
    path("auth/refresh", views.RefreshView.as_view()),
    path("auth/logout", views.LogoutView.as_view()),
]
