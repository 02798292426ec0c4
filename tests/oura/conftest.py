from contextlib import ExitStack

import pytest

from tests.oura.answering import Answering


@pytest.fixture
def serve():
    """Start a small server that answers with a Reply, or a function from Asked to one."""
    with ExitStack() as stack:

        def start(reply):
            server = Answering(reply)
            stack.callback(server.close)
            return server

        yield start
