"""The environment of the tests, set before Django reads its settings."""

import os

import tests.scale  # noqa: F401

# What the machine's own set-up says must not leak into tests.
for name in (
    "OURA_API_KEY",
    "OURA_USER",
    "OURA_API_URL",
    "OURA_PROXY",
    "OURA_CA_BUNDLE",
    "SERVICE",
    "LOG_LEVEL",
    "METRICS_TOKEN",
):
    os.environ.pop(name, None)
os.environ.update(
    LOCAL="on",
    SECRET_KEY="a-secret-key-for-tests-only-0123456789-0123456789",
    JWT_SECRET="a-jwt-secret-for-tests-only-0123456789-0123456789",
    INGEST_TOKENS="ingest-token-for-tests,older-ingest-token",
    CONTROL_TOKENS="control-token-for-tests",
    SANDBOX_TODAY="2026-11-20",
    LOG_FORMAT="json",
    # Playwright keeps an event loop in the tests' thread, where Django sees one and refuses.
    DJANGO_ALLOW_ASYNC_UNSAFE="on",
)
