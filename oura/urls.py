from django.urls import path

from oura import pages

urlpatterns = [
    path("connect/oura/", pages.connect_oura, name="connect-oura"),
    path("connect/oura/callback", pages.oura_callback, name="oura-callback"),
    path("connect/oura/register", pages.register_oura, name="register-oura"),
    path("account/collect/", pages.collect_now, name="collect-now"),
    path("disconnect/oura/", pages.disconnect_oura, name="disconnect-oura"),
]
