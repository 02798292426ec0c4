from django.urls import path

from oura import pages

urlpatterns = [
    path("connect/oura/", pages.begin, name="connect-oura"),
    path("connect/oura/callback", pages.callback, name="oura-callback"),
    path("connect/oura/register", pages.register, name="register-oura"),
    path("disconnect/oura/", pages.end, name="disconnect-oura"),
]
