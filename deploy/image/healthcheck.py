#!/usr/bin/env python3
"""Fail if this container's service does not answer. A command serves nothing, and is healthy."""

import tempfile
import urllib.request
from pathlib import Path

port = Path(tempfile.gettempdir()) / "port"
if port.exists():
    url = f"http://127.0.0.1:{port.read_text().strip()}/health"
    urllib.request.urlopen(url, timeout=4).close()
