"""Errors, warnings and printed lines of libraries belong to the file; our own errors are our own."""

import ast
import importlib
import io
import logging
import os
import sys
import threading
import warnings as python_warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from encoded import saved, smooth
from PIL import Image
from samples import colour, save

import convfilter as cf
from convfilter.errors import ImageError
from convfilter.images.library import add_warning, collected
from convfilter.images.reading import read_picture

IMAGES = Path(cf.__file__).parent / "images"


# A function, and a format on whose way it is; the first two in a stream that Pillow reads.
WAY = [("png.bisect", "png"), ("tiff.min", "tiff"), ("tiff.Directory", "tiff")]
WAY += [("picture.cleaned", form) for form in ("png", "jpeg", "tiff")]


@pytest.mark.parametrize(("name", "form"), WAY)
def test_a_mistake_of_ours_is_never_called_broken_data(name, form, tmp_path, monkeypatch):
    exif = Image.Exif()
    exif[271] = "Maker"
    save(tmp_path / "a", colour(), exif=exif.tobytes(), format=form.upper())
    module, _, function = name.partition(".")
    fail = Mock(side_effect=AttributeError("ours"))
    broken = SimpleNamespace(bisect_right=fail) if function == "bisect" else fail
    module = importlib.import_module(f"convfilter.images.{module}")
    monkeypatch.setattr(module, function, broken, raising=function != "min")
    with pytest.raises(AttributeError, match="ours"):
        cf.filter_file(tmp_path / "a", tmp_path / f"b.{form}", "identity")
    assert not (tmp_path / f"b.{form}").exists()


def test_only_calls_into_libraries_stand_where_their_errors_are_turned():
    for path in IMAGES.glob("*.py"):
        tree = ast.parse(path.read_text())
        ours = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)} - {"_codecs"}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("convfilter"):
                ours |= {alias.asname or alias.name for alias in node.names}
        blocks = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.With) and "reasons(" in ast.unparse(node.items[0])
        ]
        for block in blocks:
            for statement in block.body:
                calls = (node for node in ast.walk(statement) if isinstance(node, ast.Call))
                called = {ast.unparse(node.func) for node in calls}
                assert not called & ours, f"{path.name}: {called & ours}"


def test_what_a_library_prints_is_a_warning_and_what_python_prints_is_not(capfd):
    warnings = []
    with collected(warnings, prints=True):
        os.write(2, b"TIFFRead: one\nTIFFRead: two\n")
        print("ours", file=sys.stderr)
    os.write(2, b"after\n")
    assert warnings == ["TIFFRead: one", "TIFFRead: two"]
    assert capfd.readouterr().err == "ours\nafter\n"


def test_what_a_library_prints_explains_why_an_image_fails(capfd):
    data = bytearray(saved(Image.fromarray(smooth()), "TIFF", compression="tiff_adobe_deflate").getvalue())
    data[len(data) // 2] ^= 255
    with pytest.raises(ImageError, match=r"^broken tiff data \(decoder error -2\): ZIPDecode: "):
        read_picture(io.BytesIO(data))
    assert capfd.readouterr().err == ""


def test_warnings_and_prints_of_threads_do_not_mix(capfd):
    ready = threading.Barrier(4)

    def work(number):
        lines = []
        ready.wait()
        for _ in range(50):
            with collected(lines):
                python_warnings.warn_explicit(f"warned {number}", UserWarning, "x", 1, module="PIL.x")
                logging.getLogger("PIL.x").warning("logged %s", number)
            with collected(lines, prints=True):
                os.write(2, f"printed {number}\n".encode())
        return lines

    with ThreadPoolExecutor(4) as pool:
        for number, lines in enumerate(pool.map(work, range(4))):
            assert lines == [f"warned {number}", f"logged {number}", f"printed {number}"]
    assert capfd.readouterr().err == ""
    with pytest.warns(UserWarning, match="outside"):
        python_warnings.warn("outside", stacklevel=1)


def test_many_warnings_are_few_lines():
    warnings = []
    for number in range(70_000):
        add_warning(warnings, f"tag {number % 65_535}" if number < 65_535 else "tag 0")
    assert warnings == [*(f"tag {number}" for number in range(5)), "65530 further warnings"]
