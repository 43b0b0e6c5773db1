"""What the system says when it cannot write or read, as one line."""

import errno
import shutil
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT)
# what lies at the machine and not at the program: a limit, rights, a medium that fails
MACHINE = (
    *FULL,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EIO,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
)


def refuses(error: OSError) -> bool:
    """Tell whether the machine is at fault and not the program; what numpy says of a full disk has no number."""
    return error.errno in MACHINE or "requested and" in str(error)


def line(path: object, error: OSError, needed: int | None = None) -> str:
    """Say what could not be written or read, why, and what to do."""
    if error.errno not in FULL:
        reason = (error.strerror or str(error)).partition("\n")[0]
        return f"{path}: cannot be written ({reason}); check the folder's rights and room"
    place = Path(str(path)).absolute()
    free = shutil.disk_usage(next(folder for folder in (place, *place.parents) if folder.is_dir())).free
    return f"{path}: the disk is full, {needed or 'more'} bytes are needed, {free} are free; make room and run again"
