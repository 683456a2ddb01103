"""Our errors, by what a caller can do about them.

AmpacityError
├── Unsuitable   the input is wrong: correct it (lists every fault)
├── NotFound     what was named is not there
├── Conflict     it contradicts what is already stored: look first
├── Refused      a rule says no: the reason is in the message
├── Unauthorised the caller did not prove who it is
├── NotReady     try again later, or do the named step first
└── Unreachable  a counterpart did not answer as it should
"""

from collections.abc import Sequence


class AmpacityError(Exception):
    """Base of all errors that Ampacity raises on purpose."""


class Unsuitable(AmpacityError):
    """The input is wrong; `faults` names each place, value and rule."""

    def __init__(self, faults: Sequence[str] | str) -> None:
        self.faults: tuple[str, ...] = (faults,) if isinstance(faults, str) else tuple(faults)
        super().__init__("\n".join(self.faults))


class NotFound(AmpacityError):
    """What was named is not there."""


class Conflict(AmpacityError):
    """It contradicts what is already stored."""


class Refused(AmpacityError):
    """A rule says no."""


class Unauthorised(AmpacityError):
    """The caller did not prove who it is."""


class NotReady(AmpacityError):
    """Something that has to come first has not happened yet."""


class Unreachable(AmpacityError):
    """A counterpart did not answer as it should."""
