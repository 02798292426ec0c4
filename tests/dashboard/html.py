"""Pages, as tests read them."""

import re
from html import unescape


def text_of(html):
    """Return the words of a page, without tags."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())
