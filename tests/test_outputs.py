"""Where outputs go: to a file as a whole, to standard output, and what is said of what went wrong."""

import io
import os
import sys
from types import SimpleNamespace

import pytest

from convfilter.errors import ConvfilterError, ImageError
from convfilter.files import STREAM, check_output, print_bytes, refuse_input, refuse_terminal, write_output


def whole(stream):
    stream.write(b"whole")


def test_what_exists_and_what_the_system_refuses_is_named(tmp_path):
    path = str(tmp_path / "a")
    write_output(path, whole, overwrite=False)
    for refused in (check_output, lambda path, overwrite: write_output(path, whole, overwrite=overwrite)):
        with pytest.raises(ImageError, match=r"the output exists: give --overwrite to replace it$"):
            refused(path, overwrite=False)
    check_output(path, overwrite=True)
    with pytest.raises(ImageError, match="is a folder: name a file"):
        check_output(str(tmp_path), overwrite=True)
    with pytest.raises(ImageError, match="cannot be written"):
        write_output(str(tmp_path), whole, overwrite=True)
    with pytest.raises(ImageError, match="missing/a cannot be written: No such file or directory"):
        write_output(str(tmp_path / "missing" / "a"), whole, overwrite=False)


def test_standard_output_gets_all_or_nothing(capsysbinary):
    check_output(STREAM, overwrite=False)
    write_output(STREAM, whole, overwrite=False)
    assert capsysbinary.readouterr().out == b"whole"

    def half(stream):
        stream.write(b"half")
        raise ImageError("no more")

    with pytest.raises(ImageError, match="no more"):
        print_bytes(half)
    assert capsysbinary.readouterr().out == b""


def test_a_closed_standard_output_and_a_terminal_are_refused(monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False)
    refuse_terminal()
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    with pytest.raises(ConvfilterError, match="standard output is a terminal"):
        refuse_terminal()
    monkeypatch.setattr(sys, "stdout", None)
    refuse_terminal()
    with pytest.raises(ImageError, match="standard output is closed"):
        print_bytes(whole)


def test_an_output_is_no_input_by_whatever_name(tmp_path):
    (tmp_path / "a").touch()
    os.link(tmp_path / "a", tmp_path / "hard")
    (tmp_path / "soft").symlink_to("a")
    for name in ("a", "hard", "soft"):
        with pytest.raises(ConvfilterError, match="is the input"):
            refuse_input(str(tmp_path / name), [str(tmp_path / "missing"), str(tmp_path / "a")])
    refuse_input(str(tmp_path / "b"), [str(tmp_path / "a")])
    refuse_input(STREAM, [str(tmp_path / "a")])


@pytest.mark.parametrize("capacity", [100, 4])
def test_standard_output_without_a_buffer_gets_all_bytes_or_an_error(monkeypatch, tmp_path, capacity):
    taken = b""

    class Short(io.RawIOBase):
        def write(self, data):
            nonlocal taken
            part = bytes(data[: min(3, capacity - len(taken))])
            taken += part
            return len(part) or None

    with (tmp_path / "descriptor").open("wb") as file:
        monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=Short(), fileno=file.fileno))
        if capacity > 5:
            print_bytes(whole)
            assert taken == b"whole"
        else:
            buffers = []
            with pytest.raises(BlockingIOError) as kept:
                print_bytes(lambda stream: whole(stream) or buffers.append(stream))
            assert kept.tb is not None
            buffers[0].close()  # the error holds no view of it
