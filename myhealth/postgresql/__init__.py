"""Django's PostgreSQL backend, which starts the embedded server if no other is configured."""
