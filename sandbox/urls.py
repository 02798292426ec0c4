from django.urls import include, path, re_path

from sandbox import controls, oauth, views

urlpatterns = [
    path("v2/usercollection/<name>", views.oura_route(views.list_collection)),
    path("v2/usercollection/<name>/<document_id>", views.oura_route(views.get_document)),
    path("v2/sandbox/usercollection/<name>", views.oura_route(views.sandbox_list_collection)),
    path(
        "v2/sandbox/usercollection/<name>/<document_id>",
        views.oura_route(views.sandbox_get_document),
    ),
    path("", include(oauth.urlpatterns)),
    path("_sandbox/clients", controls.clients_view),
    path("_sandbox/grants/expire", controls.expire_view),
    path("_sandbox/grants/revoke", controls.revoke_view),
    path("_sandbox/membership", controls.membership_view),
    path("_sandbox/token_lifetime", controls.lifetime_view),
    path("_sandbox/people", controls.people_view),
    path("_sandbox/faults", controls.faults_view),
    path("_sandbox/requests", controls.requests_view),
    path("_sandbox/recompute", controls.recompute_view),
    path("_sandbox/nap", controls.nap_view),
    path("_sandbox/periods", controls.periods_view),
    path("_sandbox/remove", controls.remove_view),
    path("_sandbox/restore", controls.restore_view),
    path("_sandbox/oddities", controls.oddities_view),
    path("_sandbox/limits", controls.limits_view),
    path("_sandbox/owner", controls.owner_view),
    # Unknown addresses get Oura's 404 instead of this project's.
    re_path(r"^v\d+/", views.oura_route(views.not_found)),
]
