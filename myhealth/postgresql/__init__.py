"""PostgreSQL, started or joined on the first connection where none is configured."""
