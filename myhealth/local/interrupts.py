"""Imported first: Ctrl-C while the rest is imported ends the program without a traceback."""

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)
