"""The sandbox's server with one more path, which resets it, so that tests can share a process."""

from myhealth.wsgi import application as sandbox
from sandbox import grants, store
from sandbox.faults import faults, request_counts


def application(environ, start_response):
    if environ["PATH_INFO"] != "/_tests/reset":
        return sandbox(environ, start_response)
    store.reset()
    faults.clear()
    request_counts.clear()
    grants.state.clear()
    start_response("204 No Content", [])
    return []
