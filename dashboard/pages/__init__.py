"""The web pages for people who are signed in: one module for each."""
