"""Outputs are whole or not there; leftovers are swept."""

import errno
import io
import os
import stat
import struct
import subprocess
import sys
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from samples import grey, save

from convfilter import ImageError, OptionError, files, filter_file

fcntl = pytest.importorskip("fcntl")


def leftovers(folder):
    return [path.name for path in folder.iterdir() if path.name.startswith(".cf-")]


def write_new(stream):
    stream.write(b"new")


@pytest.mark.parametrize("name", ["a", "x" * 255])
def test_a_new_file_is_written_whole_and_replaced_on_request_only(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    files.commit(name, lambda stream: stream.write(b"old"))
    with pytest.raises(FileExistsError):
        files.commit(name, lambda stream: pytest.fail("encoded"))
    assert (tmp_path / name).read_bytes() == b"old"
    files.commit(tmp_path / name, write_new, overwrite=True)
    assert (tmp_path / name).read_bytes() == b"new"
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (os.mkdir, "is a folder"),
        (os.mkfifo, "is not a regular file"),
        # A link to a device may be the system's own standard output.
        (lambda path: os.symlink(os.devnull, path), "is not a regular file"),
    ],
)
def test_what_is_no_file_is_never_replaced(tmp_path, make, what):
    make(tmp_path / "a")
    before = (tmp_path / "a").lstat()
    with pytest.raises(OSError, match=what):
        files.commit(tmp_path / "a", write_new, overwrite=True)
    assert os.path.samestat((tmp_path / "a").lstat(), before)
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("target", ["kept", "gone"])
def test_a_symbolic_link_is_replaced_and_what_it_points_to_is_left(tmp_path, target):
    (tmp_path / "kept").write_bytes(b"old")
    (tmp_path / "a").symlink_to(target)
    files.commit(tmp_path / "a", write_new, overwrite=True)
    assert not (tmp_path / "a").is_symlink()
    assert (tmp_path / "a").read_bytes() == b"new"
    assert (tmp_path / "kept").read_bytes() == b"old"


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), ValueError("bad"), KeyboardInterrupt()])
@pytest.mark.parametrize("old", [None, b"old"])
def test_whatever_stops_the_writing_nothing_is_left_of_it(tmp_path, error, old):
    if old:
        (tmp_path / "a").write_bytes(old)

    def write(stream):
        stream.write(b"half")
        assert len(leftovers(tmp_path)) == 1
        raise error

    with pytest.raises(type(error)):
        files.commit(tmp_path / "a", write, overwrite=True)
    assert os.listdir(tmp_path) == (["a"] if old else [])
    assert not old or (tmp_path / "a").read_bytes() == old


@pytest.mark.parametrize("call", ["fsync", "replace", "link"])
def test_errors_of_the_last_steps_leave_the_old_file(tmp_path, monkeypatch, call):
    if call != "link":
        (tmp_path / "a").write_bytes(b"old")
    monkeypatch.setattr(os, call, Mock(side_effect=OSError(errno.EIO, "Input/output error")))
    with pytest.raises(OSError, match="Input/output error"):
        files.commit(tmp_path / "a", write_new, overwrite=call != "link")
    assert os.listdir(tmp_path) == ([] if call == "link" else ["a"])


def test_the_data_are_on_disk_before_the_name_is_and_the_names_at_the_end(quick, tmp_path, monkeypatch):
    for name in "ab":
        save(tmp_path / "in" / f"{name}.png", grey())
    calls = []
    for name in ("fsync", "replace", "link"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, n=name, r=real, **k: (calls.append(n), r(*a, **k))[1])
    assert quick("apply", "in", "-k", "blur", "-o", "out").code == 0
    assert calls == ["fsync", "link"] * 2 + ["fsync"]
    calls.clear()
    filter_file("in/a.png", "out/a.png", "blur", overwrite=True)
    assert calls == ["fsync", "replace", "fsync"]


def test_a_file_made_meanwhile_is_not_replaced(tmp_path):
    def write(stream):
        stream.write(b"mine")
        (tmp_path / "a").write_bytes(b"theirs")

    with pytest.raises(FileExistsError):
        files.commit(tmp_path / "a", write)
    assert (tmp_path / "a").read_bytes() == b"theirs"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP])
def test_without_hard_links_a_new_file_is_renamed_and_an_old_one_kept(tmp_path, monkeypatch, number):
    monkeypatch.setattr(os, "link", Mock(side_effect=OSError(number, "no links here")))
    files.commit(tmp_path / "a", write_new)
    assert (tmp_path / "a").read_bytes() == b"new"
    with pytest.raises(FileExistsError):
        files.commit(tmp_path / "b", lambda stream: (tmp_path / "b").write_bytes(b"theirs"))
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]
    assert (tmp_path / "b").read_bytes() == b"theirs"


# The superuser may give files away.
SOMEONE, SOMEONE_ELSE = (12, 34) if os.geteuid() == 0 else (-1, -1)
OLD = 981173106_000000007, 981173106_000000009

# An access control list as Linux stores it: kind, rights, whose. `setfacl -m u:12345:r` makes the same.
RIGHTS = [(1, 6, -1), (2, 4, 12345), (4, 4, -1), (16, 4, -1), (32, 0, -1)]
ACL = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in RIGHTS)


def attributes(path):
    """What `ls`, `getfattr` and `getfacl` show, but for the times."""
    status = path.stat()
    extended = {name: os.getxattr(path, name) for name in os.listxattr(path)}
    return oct(status.st_mode), status.st_uid, status.st_gid, extended


def times(path):
    return path.stat().st_atime_ns, path.stat().st_mtime_ns


def old_file(path, *, mode=0o640, owner=-1, extended=()):
    """Make a file that was used long ago."""
    path.write_bytes(path.read_bytes() if path.exists() else b"old")
    path.chmod(mode)
    try:
        os.chown(path, owner, owner)
        for name, value in extended:
            os.setxattr(path, name, value)
    except (AttributeError, OSError):
        pytest.skip("needs Linux and a file system with attributes")
    os.utime(path, ns=OLD)
    return path


@pytest.mark.parametrize("extended", [(), [("user.note", b"n")], [("system.posix_acl_access", ACL)]])
def test_a_replaced_file_keeps_permissions_owner_and_extended_attributes(tmp_path, monkeypatch, extended):
    """As when `cp` writes into it."""
    path = old_file(tmp_path / "a", owner=SOMEONE, extended=extended)
    before, seen = attributes(path), []

    def write(stream):
        seen.append(stat.S_IMODE(os.fstat(stream.fileno()).st_mode))
        write_new(stream)

    files.commit(path, write, overwrite=True)
    assert attributes(path) == before
    assert path.read_bytes() == b"new"
    assert times(path)[1] > OLD[1]
    assert seen == [0o600]  # nobody else reads it while it is written
    # Where the owner cannot be changed, another group gets no more than others.
    monkeypatch.setattr(os, "fchown", Mock(side_effect=PermissionError(errno.EPERM, "not the superuser")))
    files.commit(path, write_new, overwrite=True)
    others = {name: value for name, value in before[3].items() if name == "user.note"}
    assert attributes(path) == ("0o100600", os.geteuid(), os.getegid(), others)


@pytest.mark.parametrize("exists", [False, True])
@pytest.mark.parametrize("extended", [(), [("system.posix_acl_access", ACL)]])
def test_preserve_does_what_cp_does(quick, tmp_path, exists, extended):
    source = old_file(save(tmp_path / "in" / "a.pgm", grey()), mode=0o604, owner=SOMEONE, extended=extended)
    for name in ("copy", "out/a.pgm") if exists else ():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"old")
        old_file(
            tmp_path / name,
            owner=SOMEONE_ELSE,
            extended=[("user.note", b"n"), ("system.posix_acl_access", ACL)],
        )
    subprocess.run(["cp", "-p", source, tmp_path / "copy"], check=True)
    os.utime(source, ns=times(tmp_path / "copy"))  # reading has changed the first
    assert quick(*["apply", "in", "-k", "identity", "-o", "out", "--overwrite", "--preserve"]).code == 0
    assert attributes(tmp_path / "out" / "a.pgm") == attributes(tmp_path / "copy")
    assert times(tmp_path / "out" / "a.pgm") == times(tmp_path / "copy") == OLD


def test_standard_streams_have_nothing_to_preserve(quick, tmp_path):
    save(tmp_path / "a.png", grey())
    for names in ("-", "a.png -o -"):
        ran = quick("apply", *names.split(), "-k", "blur", "--preserve")
        assert (ran.code, ran.raw) == (2, b"")
        assert "standard input and output have no times to keep" in ran.err
    with pytest.raises(OptionError, match="no times to keep"):
        filter_file("-", "b.png", "blur", preserve=True)


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_a_new_file_follows_the_umask(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        files.commit(tmp_path / "a", write_new)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == mode


def test_the_folder_being_swept_does_not_disturb_a_file_that_is_written(tmp_path, monkeypatch):
    real = os.link

    def link(*args, **kwargs):
        files.sweep(tmp_path)  # at the last moment
        real(*args, **kwargs)

    def write(stream):
        files.sweep(tmp_path)
        stream.write(b"new")

    monkeypatch.setattr(os, "link", link)
    files.commit(tmp_path / "a", write)
    assert (tmp_path / "a").read_bytes() == b"new"


def test_a_temporary_file_swept_before_its_lock_is_made_anew(tmp_path, monkeypatch):
    real, calls = files._lock, []

    def late_lock(descriptor):
        calls.append(descriptor)
        if len(calls) == 1:
            (tmp_path / leftovers(tmp_path)[0]).unlink()
        return real(descriptor)

    monkeypatch.setattr(files, "_lock", late_lock)
    files.commit(tmp_path / "a", write_new)
    assert len(calls) == 2
    assert (tmp_path / "a").read_bytes() == b"new"


def test_a_sweep_removes_what_nobody_holds_and_nothing_else(tmp_path):
    stale, locked = ".cf-0000dead.tmp", ".cf-000011fe.tmp"
    others = [
        *("a.png", ".cf-notes.tmp", ".cf-0000beef", "cf-0000beef.tmp", ".cf-0000beef.tmp.png"),
        *(".cf-beef.tmp", ".cf-0000BEEF.tmp", ".cf-0000beef.tmp~"),
    ]
    for name in (stale, locked, *others):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / ".cf-00000001.tmp").mkdir()
    (tmp_path / ".cf-00000002.tmp").symlink_to("a.png")
    os.mkfifo(tmp_path / ".cf-00000003.tmp")
    before = set(os.listdir(tmp_path))
    with (tmp_path / locked).open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        files.sweep(tmp_path)
    assert before - set(os.listdir(tmp_path)) == {stale}


@pytest.mark.parametrize(("age", "left"), [(0, 1), (25 * 3600, 0)])
def test_without_locks_a_sweep_goes_by_age(tmp_path, monkeypatch, age, left):
    path = tmp_path / ".cf-0000dead.tmp"
    path.write_bytes(b"x")
    os.utime(path, (path.stat().st_mtime - age,) * 2)
    monkeypatch.setattr(files, "_lock", lambda descriptor: None)
    files.sweep(tmp_path)
    assert len(leftovers(tmp_path)) == left


def test_without_fcntl_files_are_closed_before_they_are_renamed(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "fcntl", None)
    streams = []
    real = os.replace
    monkeypatch.setattr(os, "replace", lambda *a: (streams[0].closed or pytest.fail("open"), real(*a)))
    files.commit(
        tmp_path / "a", lambda stream: (streams.append(stream), stream.write(b"new")), overwrite=True
    )
    assert (tmp_path / "a").read_bytes() == b"new"


def test_a_sweep_never_raises(tmp_path, monkeypatch):
    files.sweep(tmp_path / "missing")
    (tmp_path / ".cf-0000dead.tmp").write_bytes(b"x")
    monkeypatch.setattr(os, "open", Mock(side_effect=FileNotFoundError(errno.ENOENT, "gone")))
    files.sweep(tmp_path)


def test_a_second_attempt_takes_the_same_bytes_for_done_and_no_others(tmp_path):
    path = tmp_path / "a.txt"
    files.commit(path, lambda stream: stream.write(b"made before"), repeated=True)
    files.commit(path, lambda stream: stream.write(b"made before"), repeated=True)
    for other in (b"made by others", b"made befor!"):
        with pytest.raises(FileExistsError):
            files.commit(path, lambda stream, other=other: stream.write(other), repeated=True)
    assert path.read_bytes() == b"made before"
    assert os.listdir(tmp_path) == ["a.txt"]
    link = tmp_path / "link.txt"
    link.symlink_to(path)
    with pytest.raises(FileExistsError):
        files.commit(link, lambda stream: stream.write(b"made before"), repeated=True)


def test_standard_output_gets_all_or_nothing(capsysbinary):
    def half(stream):
        stream.write(b"half")
        raise ImageError("no more")

    with pytest.raises(ImageError, match="no more"):
        files.print_bytes(half)
    assert capsysbinary.readouterr().out == b""


@pytest.mark.parametrize("capacity", [100, 2])
def test_standard_output_without_a_buffer_gets_all_bytes_or_an_error(monkeypatch, tmp_path, capacity):
    taken, buffers = bytearray(), []

    class Short(io.RawIOBase):
        def write(self, data):
            part = bytes(data[: min(2, capacity - len(taken))])
            taken.extend(part)
            return len(part) or None

    def write(stream):
        buffers.append(stream)
        write_new(stream)

    with (tmp_path / "descriptor").open("wb") as file:
        monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=Short(), fileno=file.fileno))
        if capacity > 3:
            files.print_bytes(write)
            assert taken == b"new"
        else:
            with pytest.raises(BlockingIOError) as kept:
                files.print_bytes(write)
            assert kept.tb is not None
            buffers[0].close()  # the error holds no view of it
