"""The most memory that this process ever held, and giving back what it does not need any more."""

import ctypes
import resource
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MOST_ARENAS = -1, -3, -8  # of `mallopt` in the C library of Linux
_ALL, _LARGEST_PIECE = 2**31 - 1, 32 * 2**20


def peak_mib() -> float:
    """Peak resident memory [MiB].

    Linux tells it for this program alone; `getrusage` would count what the process was before it was started.
    """
    if _STATUS.exists():
        for line in _STATUS.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def keep_freed() -> None:
    """Keep what is freed for the next use of it, in one place for all threads, until it is given back.

    Arrays of some megabytes come and go thousands of times in a cycle; the system would clear each of their pages
    anew.  Only the C library of Linux has to be told.
    """
    if sys.platform.startswith("linux") and hasattr(library := ctypes.CDLL(None), "mallopt"):
        library.mallopt(_TRIM_THRESHOLD, _ALL)
        library.mallopt(_MMAP_THRESHOLD, _LARGEST_PIECE)
        library.mallopt(_MOST_ARENAS, 1)


def give_back() -> None:
    """Return freed memory to the system, so that what one cycle left in pieces does not add up from cycle to cycle.

    Only the C library of Linux has to be told; another one does it by itself.
    """
    if sys.platform.startswith("linux") and hasattr(library := ctypes.CDLL(None), "malloc_trim"):
        library.malloc_trim(0)
