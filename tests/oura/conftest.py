from contextlib import ExitStack

import pytest

from tests.oura.answering import StubServer


@pytest.fixture
def serve():
    """Start a server that answers with a Reply, or a function from Request to one."""
    with ExitStack() as stack:

        def start(reply, tls=None):
            server = StubServer(reply, tls)
            stack.callback(server.close)
            return server

        yield start
