"""Log lines on standard error: time, level, part, message.  Tokens never come near them: they are masked before."""

import logging
import time


def log_to_stderr(level: int) -> None:
    """Send our log lines, and the warnings of libraries, to standard error."""
    formatter = logging.Formatter("%(asctime)sZ %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("ampacity").setLevel(level)
