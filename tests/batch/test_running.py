"""Many images: one after the other, counted, and none in the way of the others."""

import errno
import importlib
import os

import numpy as np
import pytest
from conftest import uncovered
from samples import colour, grey, load, save, tree

import convfilter as cf
from convfilter.batch import job, run_jobs
from convfilter.batch.plan import Job, Settings
from convfilter.options import BatchOptions

SETTINGS = Settings((cf.get_kernel("blur"),), batch=BatchOptions(jobs=1))


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def jobs(names):
    return [Job(f"{name}.png", f"out/{name}.png", "png") for name in names]


def statuses(results):
    return [result.status for result in results]


def test_one_bad_image_does_not_stop_the_others(quick):
    for name in "abd":
        save(f"in/{name}.png", grey())
    with open("in/c.png", "wb") as stream:
        stream.write(b"garbage")
    with open("in/b.png", "r+b") as stream:
        stream.truncate(40)
    ran = quick("apply", "in", "gone.png", "-k", "blur", "-o", "out")
    assert ran.code == 1
    assert sorted(tree("out")) == ["in/a.png", "in/d.png"]
    assert [line.split(": ")[1] for line in ran.complaints[:-2]] == ["in/b.png", "in/c.png", "gone.png"]
    assert ran.complaints[-2:] == [
        "convfilter: 2 done, 3 failed",
        "convfilter: fix what is named above, then run again with --skip-existing",
    ]


def test_whatever_a_decoder_raises_fails_that_image_only(monkeypatch):
    save("a.png", grey())
    for error in (MemoryError(), cf.ImageError("odd"), OSError(errno.EIO, "Input/output error")):
        monkeypatch.setattr(job, "opened_frames", lambda *_, error=error, **__: (_ for _ in ()).throw(error))
        (result,) = run_jobs(jobs("a"), SETTINGS)
        assert result.status == "failed"
        assert isinstance(result.error, cf.ImageError)
        assert "\n" not in str(result.error)


@pytest.mark.parametrize("name", [
    *("opening.image_of", "opening.sniff", "reading._shared_memory", "reading.read_metadata"),
    *("picture._exif", "picture._dpi", "png.beside_pixels", "png.check_png", "writing.prepared"),
    *("png.save_png", "png.chunks_beside", "png.png_chunk"),
])  # fmt: skip
def test_a_mistake_in_reading_metadata_or_writing_is_never_called_broken_data(monkeypatch, name):
    save("a.png", colour(), dpi=(72, 72), exif=b"Exif\0\0MM\0*\0\0\0\10\0\0\0\0\0\0")
    module, _, function = name.partition(".")
    called = []

    def mistaken(*arguments, **options):
        called.append(name)
        raise ValueError("oops")

    for place in ("opening", "reading", "picture", "png", "writing"):
        found = importlib.import_module(f"convfilter.images.{place}")
        if place == module or getattr(found, function, None) is not None:
            monkeypatch.setattr(found, function, mistaken)
    (result,) = run_jobs(jobs("a"), SETTINGS)
    assert called
    assert str(result.error) == "internal error, please report it: ValueError: oops"
    assert "Traceback (most recent call last):" in result.traceback


@pytest.mark.parametrize("dry", [[], ["-n"]])
def test_a_mistake_over_a_single_image_comes_with_its_traceback(quick, monkeypatch, dry):
    save("a.png", grey())
    monkeypatch.setattr(job, "opened_frames", lambda *_, **__: {}["oops"])
    ran = quick("apply", "a.png", "-k", "blur", "-o", "b.png", *dry)
    assert ran.code == 1
    assert ran.complaints[0] == "convfilter: a.png: internal error, please report it: KeyError: 'oops'"
    assert (ran.complaints[1], ran.complaints[-1]) == (
        "Traceback (most recent call last):",
        "KeyError: 'oops'",
    )
    several = quick("apply", "a.png", "a.png", "-k", "blur", "-o", "out", *dry)
    assert several.complaints[0] == f"{ran.complaints[0]} (-v prints the traceback)"
    with pytest.raises(KeyError, match="oops"):
        cf.filter_file("a.png", "b.png", "blur")


@pytest.mark.parametrize("error", [KeyError("oops"), EOFError("oops")])
def test_a_mistake_of_the_program_in_any_command_is_an_internal_error(quick, monkeypatch, error):
    from convfilter.cli import shape

    monkeypatch.setattr(shape.command, "callback", lambda **_: (_ for _ in ()).throw(error))
    ran = quick("shape", "9x9", "-k", "3")
    assert (ran.code, ran.out) == (1, "")
    first, traceback, *_ = filter(None, ran.complaints)
    assert first.startswith(f"convfilter: internal error, please report it: {type(error).__name__}: ")
    assert traceback == "Traceback (most recent call last):"


def test_a_full_disk_at_the_last_moment_keeps_the_old_file_and_no_temporary_one(quick, tmp_path, monkeypatch):
    for name in "ab":
        save(f"in/{name}.png", grey())
        save(f"out/{name}.png", np.zeros((3, 3), np.uint8))
    before = tree(tmp_path)

    def fsync(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
    ran = quick("apply", "in", "-k", "blur", "-o", "out", "--overwrite")
    assert ran.code == 1
    assert ran.complaints == [
        "convfilter: in/a.png: out/a.png cannot be written: No space left on device",
        "convfilter: in/b.png: not attempted: the disk is full",
        "convfilter: 1 failed, 1 not attempted",
    ]
    assert tree(tmp_path) == before


def test_a_file_where_a_folder_is_needed_is_reported_as_that_and_left_alone(quick):
    save("a.png", grey())
    save("out", grey(), format="png")
    for option in ("--overwrite", "--skip-existing"):
        ran = quick("apply", "a.png", "-k", "blur", "-o", "out/x.png", option)
        assert ran.code == 2
        assert ran.complaints == ["convfilter: output out/x.png: out is not a folder: name another one"]
    assert np.array_equal(load("out"), grey())


@pytest.mark.skipif(os.name != "posix", reason="limits of POSIX systems")
@uncovered
def test_a_file_size_limit_fails_those_that_pass_it_and_the_others_are_done(run):
    import resource

    save("in/a.png", colour(200, 200))
    save("in/b.png", np.zeros((200, 200), np.uint8))
    save("out/a.png", grey())
    ran = run(
        *["apply", "in", "-k", "identity", "-o", "out", "--overwrite"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000)),
    )
    assert ran.code == 1
    assert ran.complaints == [
        "convfilter: in/a.png: out/a.png cannot be written: File too large",
        "convfilter: 1 done, 1 failed",
    ]
    assert np.array_equal(load("out/a.png"), grey())
    assert sorted(os.listdir("out")) == ["a.png", "b.png"]


def test_stale_temporary_files_in_the_output_folders_are_swept_unless_it_is_a_dry_run():
    save("a.png", grey())
    os.mkdir("out")
    for name in ("out/.cf-00000000.tmp", ".cf-00000000.tmp"):
        with open(name, "x"):
            pass
    assert statuses(run_jobs(jobs("a"), SETTINGS, dry=True)) == ["planned"]
    assert os.path.exists("out/.cf-00000000.tmp")
    assert statuses(run_jobs(jobs("a"), SETTINGS)) == ["done"]
    assert not os.path.exists("out/.cf-00000000.tmp")
    assert os.path.exists(".cf-00000000.tmp"), "not an output folder"


def test_a_dry_run_exits_as_the_run_would(quick):
    save("grey.png", grey())
    save("in/rgb.png", colour())
    save("in/deep.png", grey().astype(np.uint16) * 257)
    save("in/tiny.png", colour(2, 2))
    save("in/there.png", colour())
    save("out/there.jpg", colour())
    for arguments in (
        "in -k luma",
        "in -k blur --format jpeg -o out",
        "in -k blur --format jpeg -o out --skip-existing",
        "in -k blur --padding valid",
        "in/rgb.png -k blur",
        "in/rgb.png -k luma -o x.npy --range raw",
        "in/rgb.png -k blur -o x.png --range raw",
        "grey.png -k luma",
    ):
        dry = quick("apply", *arguments.split(), "-n")
        real = quick("apply", *arguments.split())
        assert dry.code == real.code, arguments
        expected = [line.replace("done", "planned") for line in real.complaints if "again" not in line]
        assert dry.complaints == expected, arguments


# From Python


def test_filter_file_does_what_apply_does():
    pixels = colour(9, 9)
    save("a.png", pixels)
    cf.filter_file("a.png", "b.tif", "sobel", border="wrap", channels="sum")
    assert np.array_equal(load("b.tif"), cf.apply_kernel(pixels, "sobel", border="wrap", channels="sum"))
    cf.filter_file("a.png", "c.bin", ["blur", cf.get_kernel("sharpen")], format="bmp", threads=1)
    assert load("c.bin").shape == (9, 9, 3)


def test_filter_file_replaces_only_on_request():
    save("a.png", grey())
    for target in ("b.png", "a.png"):
        cf.filter_file("a.png", "b.png", "identity", overwrite=True)
        with pytest.raises(FileExistsError, match="overwrite=True"):
            cf.filter_file("a.png", target, "blur")
    cf.filter_file("a.png", "a.png", "blur", overwrite=True)
    assert np.array_equal(load("a.png"), cf.apply_kernel(grey(), "blur"))
    os.symlink("a.png", "link.png")
    with pytest.raises(cf.ConvfilterError, match="is the input"):
        cf.filter_file("a.png", "link.png", "blur", overwrite=True)


def test_filter_file_warns_of_what_is_lost():
    save("a.png", colour(channels=4))
    with pytest.warns(UserWarning, match=r"^a\.png: jpeg cannot hold alpha: blended onto white$") as caught:
        cf.filter_file("a.png", "b.jpg", "blur")
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize(("options", "error", "message"), [
    ({"source": "gone.png"}, cf.ImageError, r"^gone\.png: cannot be opened: No such file"),
    ({"target": "b.foo"}, cf.OptionError, "unknown extension"),
    ({"target": "b.png", "format": "jpeg"}, cf.OptionError, "is a name for png"),
    ({"format": "jpge"}, cf.ConvfilterError, r"unknown format 'jpge' \(did you mean 'jpeg'\?\)"),
    ({"kernel": []}, cf.OptionError, "no kernel: name"),
    ({"kernel": "temporal-blur", "frames": "each"}, cf.KernelError, "spans 3 frames: .* 'each'"),
    ({"padding": "valid", "dilation": 99}, cf.ShapeError, r"^a\.png: "),
    ({"padding": "smae"}, cf.ConvfilterError, "did you mean 'same'"),
    ({"quality": 80.5}, cf.OptionError, "from 1 to 100, not 80.5"),
    ({"max_pixels": 0}, cf.OptionError, "max_pixels=0: give an integer, at least 1"),
    ({"skip_existing": True}, TypeError, "skip_existing"),
])  # fmt: skip
def test_filter_file_refuses_what_cannot_be_and_writes_nothing(options, error, message):
    save("a.png", grey())
    arguments = {"source": "a.png", "target": "b.jpg", "kernel": "blur"} | options
    with pytest.raises(error, match=message):
        cf.filter_file(**arguments)
    assert os.listdir() == ["a.png"]
