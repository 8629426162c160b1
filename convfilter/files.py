"""Outputs: files that are written completely or not at all, and standard output.

An output is written to a locked temporary file ``.cf-XXXXXXXX.tmp`` in its own folder and put in place by one
rename or link. The next run removes temporary files that nobody holds any more.
"""

# Plain `os` calls: pathlib costs several times what the rest of this module does to import.

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import stat
import sys
import time
from collections.abc import Callable, Iterable
from typing import BinaryIO, TypeAlias

from convfilter.errors import ImageError, OptionError, describe, discard, escaped
from convfilter.signals import at_stop, starting

if sys.platform == "win32":  # a file cannot be renamed there while it is open, so it is closed first
    fcntl = None
else:
    import fcntl


STREAM = "-"
"""The name of standard input and output."""

_TEMPORARY = re.compile(r"\.cf-[0-9a-f]{8}\.tmp")
_STALE_SECONDS = 24 * 3600
_NO_HARD_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_ACL = "system.posix_acl_access"
# These vouch for the old content: writing to a file removes them.
_VOUCHING = ("security.capability", "security.evm", "security.ima")
_FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


class OutputExistsError(ImageError):
    """An output that exists and must not be replaced."""


Attributes: TypeAlias = tuple[os.stat_result, dict[str, bytes]]
"""The status of a file and its extended attributes on Linux, access control lists among them."""


def already_exists(path: str, *, batch: bool = False) -> OutputExistsError:
    """Return the error for an output that must not be replaced; `batch` says that it may be skipped."""
    also = " or --skip-existing to keep it" if batch else ""
    return OutputExistsError(f"{escaped(path)} already exists: use --overwrite to replace it{also}")


def attributes_of(path: str) -> Attributes:
    """Return the attributes of a file, of a link those of what it leads to."""
    try:
        status = os.stat(path)
    except ValueError:
        raise OSError(errno.EINVAL, "not a file name", path) from None
    extended: dict[str, bytes] = {}
    with contextlib.suppress(OSError):
        for name in os.listxattr(path) if hasattr(os, "listxattr") else ():
            if name not in _VOUCHING:
                extended[name] = os.getxattr(path, name)
    return status, extended


def check_output(path: str, *, overwrite: bool) -> None:
    """Refuse an output that is a folder, or exists and must not be replaced, before anything is computed."""
    if path == STREAM:
        return
    check_parent(path)
    if os.path.isdir(path):
        raise ImageError(f"{escaped(path)} is a folder: name a file")
    if os.path.lexists(path) and not overwrite:
        raise already_exists(path)


def check_parent(path: str) -> None:
    """Refuse an output in a folder that does not exist, which is more often a slip than a wish."""
    parent = os.path.dirname(path.rstrip("/"))
    if parent and not os.path.isdir(parent):
        exists = os.path.lexists(parent)
        fault = "{} is not a folder: name another one" if exists else "there is no folder {}: create it first"
        raise OptionError(f"output {escaped(path)}: {fault.format(escaped(parent))}")


def refuse_input(output: str, inputs: Iterable[str]) -> None:
    """Refuse an output that is one of the inputs, by whatever name or link."""
    for each in inputs if output != STREAM and os.path.exists(output) else ():
        if os.path.exists(each) and os.path.samefile(output, each):
            raise OptionError(f"output {escaped(output)} is the input {escaped(each)}: name another file")


def write_output(
    path: str,
    write: Callable[[BinaryIO], object],
    *,
    overwrite: bool,
    repeated: bool = False,
    batch: bool = False,
    preserve: Attributes | None = None,
) -> None:
    """Write an output as `commit` does, or to standard output.

    In a `batch` the folders above it are made, and the caller syncs them at the end. Raises
    `OutputExistsError`, an `ImageError` caused by another `OSError`, and `BrokenPipeError`.
    """
    try:
        if path == STREAM:
            print_bytes(write)
            return
        if batch:
            _make_folders(os.path.dirname(path))
        commit(path, write, overwrite=overwrite, repeated=repeated, preserve=preserve)
        if not batch:
            sync_folder(os.path.dirname(path))
    except BrokenPipeError:
        raise
    except FileExistsError:
        raise already_exists(path, batch=batch) from None
    except OSError as error:
        name = "standard output" if path == STREAM else escaped(path)
        raise ImageError(f"{name} cannot be written: {describe(error)}") from error


def commit(
    path: str | os.PathLike[str],
    write: Callable[[BinaryIO], object],
    *,
    overwrite: bool = False,
    repeated: bool = False,
    preserve: Attributes | None = None,
) -> None:
    """Write a file as a whole or not at all; `write` leaves the buffered stream open.

    A file that is replaced keeps its attributes but for the times; a symbolic link is replaced, not followed.
    `preserve` are the attributes of another file to take over, as ``cp -p`` does. `repeated` says that this
    may be a second attempt: then a file with the same bytes is as good as done. Raises `OSError`, and
    `FileExistsError` also if the path came into being meanwhile.
    """
    target = os.fspath(path)
    folder = os.path.dirname(target) or os.curdir
    attributes = _replaced_attributes(target, overwrite, repeated)
    if preserve is not None:
        status, others = preserve
        kept = attributes[1] if attributes is not None else {}
        attributes = status, kept | {_ACL: others.get(_ACL, b"")}
    # A signal may come at any moment: the name is known here before there is a file of it.
    names: list[str] = []
    with at_stop(lambda: _remove(*names)):
        try:
            with os.fdopen(_create(folder, names, private=attributes is not None), "wb", 1 << 18) as stream:
                write(stream)
                stream.flush()
                if attributes is not None:
                    _give(stream.fileno(), names[-1], attributes, times=preserve is not None)
                os.fsync(stream.fileno())
                if fcntl is None:
                    stream.close()
                # While it is open it is locked: once closed, another run would sweep it away.
                with starting():
                    _put_in_place(names[-1], target, overwrite, repeated)
        finally:  # a file that has been renamed is not there any more
            _remove(*names)


def _make_folders(path: str) -> None:
    """Make a folder and those above it that are missing."""
    missing = []  # not by `os.makedirs`, which calls itself for each of them
    while path and not os.path.lexists(path):
        missing.append(path)
        path = os.path.dirname(path)
    for each in reversed(missing):
        with contextlib.suppress(FileExistsError):
            os.mkdir(each)


def _replaced_attributes(target: str, overwrite: bool, repeated: bool) -> Attributes | None:
    """Return what the new file keeps of the file to be replaced; refuse what must not be replaced."""
    try:
        status = os.lstat(target)
    except FileNotFoundError:
        return None
    kind = status.st_mode
    if os.path.isdir(target):
        raise IsADirectoryError(errno.EISDIR, "is a folder", target)
    if not overwrite:
        if repeated and stat.S_ISREG(kind):
            return None
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
    if stat.S_ISLNK(kind):
        with contextlib.suppress(OSError):  # a link that leads nowhere is replaced
            kind = os.stat(target).st_mode
        if stat.S_ISREG(kind) or stat.S_ISLNK(kind):
            return None
    if not stat.S_ISREG(kind):
        raise OSError(errno.EINVAL, "is not a regular file", target)
    return attributes_of(target)


def _create(folder: str, names: list[str], *, private: bool) -> int:
    """Create and lock a temporary file; return its descriptor. Its name is put into `names` before that."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | _FLAGS
    while True:
        names.append(os.path.join(folder, f".cf-{os.urandom(4).hex()}.tmp"))
        with starting():
            descriptor = os.open(names[-1], flags, 0o600 if private else 0o666)
        # A sweep may have come between the creation and the lock: then this file is gone, or soon.
        if _lock(descriptor) is not False and os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)


def _give(descriptor: int, path: str, attributes: Attributes, *, times: bool) -> None:
    """Give a file that is open the attributes of another, as far as the system allows."""
    status, extended = attributes
    permissions = stat.S_IMODE(status.st_mode) & 0o777
    if hasattr(os, "fchown"):
        for owner in (status.st_uid, -1):
            with contextlib.suppress(OSError):
                os.fchown(descriptor, owner, status.st_gid)
                break
        else:  # another group must not get what was for the old one
            permissions &= 0o707 | (permissions & 0o007) << 3
            extended = extended | {_ACL: b""}
        os.fchmod(descriptor, permissions)
    if hasattr(os, "setxattr"):
        for name, value in ({_ACL: b""} | extended).items():
            with contextlib.suppress(OSError):
                if name == _ACL and not value:  # the folder may have given it one
                    os.removexattr(descriptor, name)
                else:
                    os.setxattr(descriptor, name, value)
    if times:
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _lock(descriptor: int) -> bool | None:
    """Lock an open file: True if done, False if someone else holds it, None if there are no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _put_in_place(temporary: str, target: str, overwrite: bool, repeated: bool) -> None:
    """Give the finished file its name."""
    if overwrite:
        os.replace(temporary, target)
        return
    try:
        os.link(temporary, target)
    except OSError as error:
        if error.errno in _NO_HARD_LINKS and not os.path.lexists(target):
            os.rename(temporary, target)
            return
        if error.errno not in _NO_HARD_LINKS | {errno.EEXIST}:
            raise
        import filecmp  # only a second attempt needs it

        if not (repeated and filecmp.cmp(temporary, target, shallow=False)):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target) from None


def _remove(*paths: str) -> None:
    """Remove files that can be."""
    for path in paths:
        with contextlib.suppress(OSError):
            os.unlink(path)


def sync_folder(folder: str) -> None:
    """Have new names survive a power cut, where a folder can be synced."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder or os.curdir, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sweep(folder: str | os.PathLike[str]) -> None:
    """Remove the temporary files that killed runs left in a folder, if it can be read.

    A locked file stays, and so does every name that `commit` does not make. Where there are no locks, files
    older than a day go.
    """
    with contextlib.suppress(OSError):
        with os.scandir(folder) as entries:
            found = [entry for entry in entries if _TEMPORARY.fullmatch(entry.name)]
        for entry in found:
            with contextlib.suppress(OSError):
                if entry.is_file(follow_symlinks=False):
                    _remove_stale(entry.path)


def _remove_stale(path: str) -> None:
    """Remove a temporary file unless someone is at work on it."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _FLAGS)
    try:
        locked, age = _lock(descriptor), time.time() - os.fstat(descriptor).st_mtime
        if locked:  # still: who has just made it may be about to lock it
            os.unlink(path)
    finally:
        os.close(descriptor)
    if locked is None and age > _STALE_SECONDS:
        os.unlink(path)


def print_bytes(write: Callable[[BinaryIO], object]) -> None:
    """Write to standard output, once all that is to be written is there."""
    if sys.stdout is None:
        raise ImageError("standard output is closed")
    buffer = io.BytesIO()
    write(buffer)
    rest = memoryview(buffer.getvalue())
    try:
        while rest:
            count = sys.stdout.buffer.write(rest)  # of a stream without a buffer, maybe a part only
            if not count:
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            rest = rest[count:]
        sys.stdout.buffer.flush()
    except OSError:
        discard(sys.stdout)
        raise


def refuse_terminal() -> None:
    """Refuse to write an image to a terminal, which would take its bytes for commands."""
    if sys.stdout is not None and sys.stdout.isatty():
        raise OptionError(
            "standard output is a terminal: pipe the image with '|' or '>', or name a file with -o"
        )
