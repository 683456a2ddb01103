"""The digests of a decision's blocks, as the database works them out of what is stored.

They are handed over with the blocks: OpenSSL hashes several times as fast as a database that was
built without it.  Whoever checks the chain has the database work them out anew.
"""

import hashlib
from collections.abc import Sequence

import numpy as np


def digest(head: Sequence[object], *contents: bytes) -> bytes:
    """The digest of a block: its columns as text with bars between them, then its packed figures.

    >>> digest(("import", 0, 2), b"1234").hex()[:16]
    'e18b2ced216c879f'
    """
    told = hashlib.sha256("|".join(map(str, head)).encode())
    for content in contents:
        told.update(content)
    return told.digest()


def as_reals(values: Sequence[float]) -> str:
    """A column `real[]` as the database writes it: the shortest figures that are these in 32 bits.

    >>> as_reals([0.05, 0.5, 1e-05])
    '{0.05,0.5,1e-05}'
    """
    shortest = [float(str(np.float32(value))) for value in values]
    return "{" + ",".join(repr(value).removesuffix(".0") for value in shortest) + "}"
