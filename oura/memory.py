"""The memory that freed blocks keep occupied."""

import ctypes
from contextlib import suppress

# Of glibc's malloc.h.
_M_MMAP_THRESHOLD = -3
_LARGE_BYTES = 256 * 1024


def return_large_blocks() -> None:
    """Have large blocks of memory returned to the system as soon as they are free.

    Without this, glibc keeps blocks of the size of an answer for later, and each thread keeps its
    own: eight people at once need three times the memory that is in use. Other C libraries have no
    such setting, and don't need it.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
