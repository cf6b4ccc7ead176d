"""The heap: what is freed goes back to the system at once, not only once Python ends.

glibc takes large blocks from the system one by one, and gives them back as they are freed; but each one that is freed
raises the size from which on it does so, up to 32 MB (M_MMAP_THRESHOLD in `man mallopt`). After the first large body it
keeps those that follow: of 40 requests with 20 MB each, 780 MB stayed. A threshold that is set does not move.
"""

from __future__ import annotations

import ctypes
from typing import Final

# From <malloc.h>.
M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3

# Bytes. A smaller threshold would cost two system calls for each piece that asyncio reads, which are of 256 kB.
LARGE: Final = 512 * 1024
SPARE: Final = 4 * 1024 * 1024  # what may stay free at the end of the heap


def return_freed_memory() -> bool:
    """Set it for this process. False where the C library is another one, and knows no such thing."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, LARGE)) and bool(mallopt(M_TRIM_THRESHOLD, SPARE))
