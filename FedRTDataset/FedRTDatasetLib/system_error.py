"""What the operating system refuses, in a sentence: no room, no permission, a read-only disk."""

import errno
from collections.abc import Iterable, Iterator
from pathlib import Path

FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
REFUSED = frozenset((errno.EACCES, errno.EPERM, errno.EROFS))


def refusal(error: BaseException, named: Iterable[Path] = ()) -> str | None:
    """The sentence for the user; None where the error is of another kind.

    Args:
        error: also one that a library made of the system's (its cause is looked at).
        named: paths that the user gave. Only these are told, since others may hold a patient's name.
    """
    for one in _chain(error):
        if not isinstance(one, OSError):
            continue
        if one.errno in FULL:
            return f"there is no room left on the disk{_of(one, named)}: free some and run the same command again."
        if one.errno in REFUSED:
            what = "is on a read-only disk" if one.errno == errno.EROFS else "may not be read or written"
            return f"{_of(one, named)[4:] or 'a file'} {what}: change the permissions, or name another place."
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _of(error: OSError, named: Iterable[Path]) -> str:
    if not isinstance(error.filename, str):
        return ""
    place = Path(error.filename).absolute()
    for path in named:
        whole = path.absolute()
        if whole == place or whole in place.parents or place in whole.parents or place.parent == whole.parent:
            return f" of {path}"
    return ""


def with_number(error: OSError) -> OSError:
    """The system's own error below one that a library made of it without its number; `error` where there is none."""
    return next((one for one in _chain(error) if isinstance(one, OSError) and one.errno), error)
