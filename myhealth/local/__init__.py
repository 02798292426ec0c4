"""What `make run` uses to run everything on one machine; not part of the production image."""
