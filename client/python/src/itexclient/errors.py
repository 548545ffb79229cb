"""What can go wrong, one class for each thing that a caller would do about it.

A wrong argument is a ValueError, exhausted memory a MemoryError; everything else is an Error. The statuses
are those of the C library, itexclient(3).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .decision import Decision

OK = 0
AGAIN = 1
ERR_ARGUMENT = -1
ERR_MEMORY = -2
ERR_ABSENT = -3
ERR_SLOW = -4
ERR_INCOMPATIBLE = -5
ERR_BUSY = -6
ERR_REFUSED = -7
ERR_REJECTED = -8
ERR_SERVICE = -9
ERR_ENVIRONMENT = -10


class Error(RuntimeError):
    """The base of all below.

    status: the C library's itex_status, 0 where it was not what failed. decision: what the service decided,
    where it did and the decision is the reason.
    """

    def __init__(self, text: str, status: int = OK, decision: Decision | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.decision = decision

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), (self.args[0], self.status, self.decision)


class Unavailable(Error):
    """There is no itexd to ask: absent, slow, of an incompatible version, or libitexclient.so.1 is not
    installed.

    Raised with require=True only; without, the job goes on with its environment as it is.
    """


class Busy(Error):
    """The devices are taken, or a limit is reached: try again, or wait (wait=SECONDS)."""


class Refused(Error):
    """Not permitted."""


class ServiceError(Error):
    """The service reported an error, or answered what this version does not understand."""


class NotApplied(Error):
    """The decision would change a variable that no rule may touch, or setting one failed. Nothing was
    changed."""


class TooLate(Error):
    """TensorFlow has been imported already, and it reads its environment once."""


class Rejected(Error):
    """The job would not run: no valid mode can be reached. decision says why; nothing was changed."""


class NoDevice(Rejected):
    """Devices were asked for, and the node has none such that the job could ever be given."""


class UnmanagedWarning(UserWarning):
    """The job goes on without a decision, its environment as it is; the text says why."""


class LeaseWarning(UserWarning):
    """A lease could not be given back: it ends with this process instead."""


_CLASSES: dict[int, type[Error]] = {
    ERR_ABSENT: Unavailable,
    ERR_SLOW: Unavailable,
    ERR_INCOMPATIBLE: Unavailable,
    ERR_BUSY: Busy,
    ERR_REFUSED: Refused,
    ERR_SERVICE: ServiceError,
    ERR_ENVIRONMENT: NotApplied,
}


def error_of(status: int, text: str) -> Exception:
    """The exception for a status of the C library that is neither OK nor AGAIN."""
    if status == ERR_ARGUMENT:
        return ValueError(text)
    if status == ERR_MEMORY:
        return MemoryError(text)
    return _CLASSES.get(status, ServiceError)(text, status)
