"""Where everything is wired: settings, the server, the schedule, the command line."""

import os

# Pieces of work are small and our own threads share the cores: a BLAS that splits them once more waits for itself.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when numpy is first imported
