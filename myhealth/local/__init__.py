"""What `make run` needs to have everything on one machine; no part of the production image."""
