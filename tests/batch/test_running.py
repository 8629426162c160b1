"""Many pictures: one after the other, counted, and none in the way of the others."""

import errno
import importlib
import os
import sys

import numpy as np
import pytest
from conftest import uncovered
from samples import colour, grey, load, save, tree

import convfilter as cf
from convfilter import files
from convfilter.batch import Report, job, run_jobs
from convfilter.batch.job import Result
from convfilter.batch.plan import Job, Settings
from convfilter.batch.pool import dispatched
from convfilter.options import BatchOptions

posix = pytest.mark.skipif(os.name != "posix", reason="limits of POSIX systems")


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def work(**options):
    return Settings((cf.get_kernel("blur"),), batch=BatchOptions(jobs=1), **options)


def jobs(*names):
    return [Job(f"{name}.png", f"out/{name}.png", "png") for name in names]


def statuses(outcomes):
    return [outcome.status for outcome in outcomes]


def test_one_bad_picture_does_not_stop_the_others(run, tmp_path):
    for name in "abd":
        save(tmp_path / "in" / f"{name}.png", grey())
    (tmp_path / "in" / "c.png").write_bytes(b"garbage")
    (tmp_path / "in" / "b.png").write_bytes((tmp_path / "in" / "b.png").read_bytes()[:-30])
    ran = run("apply", "in", "gone.png", "-k", "blur", "-o", "out")
    assert ran.code == 1
    assert sorted(tree(tmp_path / "out")) == ["in/a.png", "in/d.png"]
    assert [line.split(": ")[1] for line in ran.complaints[:-1]] == ["in/b.png", "in/c.png", "gone.png"]
    assert ran.complaints[-1] == "convfilter: 2 done, 3 failed"


def test_whatever_a_decoder_raises_fails_that_picture_only(monkeypatch):
    save("a.png", grey())
    for error in (MemoryError(), cf.ImageError("odd"), OSError(errno.EIO, "Input/output error")):
        monkeypatch.setattr(job, "opened_frames", lambda *_, error=error, **__: (_ for _ in ()).throw(error))
        (outcome,) = run_jobs(jobs("a"), work())
        assert outcome.status == "failed"
        assert outcome.error
        assert "\n" not in str(outcome.error)


def test_filter_file_raises_what_apply_kernel_raises_and_mistakes_of_the_program_as_they_are(monkeypatch):
    save("a.png", grey())
    for error, options in (
        (cf.KernelError, {"kernel": "sobl"}),
        (cf.ShapeError, {"kernel": "luma"}),
        (cf.ShapeError, {"kernel": "blur", "padding": "valid", "dilation": 99}),
        (cf.OptionError, {"kernel": "blur", "alpha": "none"}),
    ):
        for function, arguments in (
            (cf.apply_kernel, (load("a.png"),)),
            (cf.filter_file, ("a.png", "b.png")),
        ):
            with pytest.raises(error) as caught:
                function(*arguments, **options)
            assert type(caught.value) is error
    monkeypatch.setattr(job, "opened_frames", lambda *_, **__: {}["oops"])
    with pytest.raises(KeyError, match="oops"):
        cf.filter_file("a.png", "b.png", "blur")


@pytest.mark.parametrize("name", [
    *("opening.image_of", "opening.sniff", "reading.pixels_of", "reading.read_metadata"),
    *("metadata._exif", "metadata._dpi", "png.beside_pixels", "png.check_png", "writing.prepared"),
    *("png.save_png", "png._chunks_beside", "png.png_chunk"),
])  # fmt: skip
@pytest.mark.parametrize("error", [KeyError("oops"), ValueError("oops")])
def test_a_mistake_in_reading_metadata_or_writing_is_never_called_broken_data(monkeypatch, name, error):
    save("a.png", colour(), dpi=(72, 72), exif=b"Exif\0\0MM\0*\0\0\0\10\0\0\0\0\0\0")
    module, _, function = name.partition(".")
    called = []

    def mistaken(*arguments, **options):
        called.append(name)
        raise error

    for place in ("opening", "reading", "metadata", "png", "writing", "encoders"):
        found = importlib.import_module(f"convfilter.images.{place}")
        if place == module or getattr(found, function, None) is not None:
            monkeypatch.setattr(found, function, mistaken)
    (outcome,) = run_jobs(jobs("a"), work())
    assert called
    assert str(outcome.error) == f"internal error, please report it: {type(error).__name__}: {error}"
    assert "Traceback (most recent call last):" in outcome.traceback


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_makes_the_rest_not_attempted(monkeypatch, number):
    for name in "abcd":
        save(f"{name}.png", grey())
    written = []

    def commit(target, write, **_):
        written.append(target)
        if len(written) == 2:
            raise OSError(number, os.strerror(number), target)
        with open(target, "xb") as stream:
            write(stream)

    monkeypatch.setattr(files, "commit", commit)
    report = Report()
    outcomes = list(run_jobs(jobs(*"abcd"), work()))
    for outcome in outcomes:
        report.add(outcome)
    assert statuses(outcomes) == ["done", "failed", "not attempted", "not attempted"]
    assert str(outcomes[1].error) == f"out/b.png cannot be written: {os.strerror(number)}"
    assert str(outcomes[2].error) == "not attempted: the disk is full"
    assert written == ["out/a.png", "out/b.png"]
    assert report.exit_code == 1
    assert report.in_words() == "1 done, 1 failed, 2 not attempted"


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


def test_a_file_where_a_folder_is_needed_is_told_as_that_and_left_alone(quick):
    save("a.png", grey())
    save("out", grey(), format="png")
    for option in ("--overwrite", "--skip-existing", "-v"):
        ran = quick("apply", "a.png", "-k", "blur", "-o", "out/x.png", option)
        assert ran.code == 1
        assert ran.complaints == ["convfilter: a.png: out/x.png cannot be written: a file is in the way"]
    assert np.array_equal(load("out"), grey())


@posix
@uncovered
def test_a_file_size_limit_fails_those_that_pass_it_and_the_others_are_done(run, tmp_path):
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


def test_a_read_only_folder_fails_with_a_reason(quick):
    save("a.png", grey())
    os.mkdir("out", 0o500)
    if os.access("out", os.W_OK):
        pytest.skip("this user may write everywhere")
    ran = quick("apply", "a.png", "-k", "blur", "-o", "out/")
    assert ran.complaints == ["convfilter: a.png: Permission denied"]


def test_stale_temporary_files_in_the_output_folders_are_swept_unless_it_is_a_dry_run():
    save("a.png", grey())
    os.mkdir("out")
    for name in ("out/.cf-00000000.tmp", ".cf-00000000.tmp"):
        with open(name, "x"):
            pass
    assert statuses(run_jobs(jobs("a"), work(), dry=True)) == ["planned"]
    assert os.path.exists("out/.cf-00000000.tmp")
    assert statuses(run_jobs(jobs("a"), work())) == ["done"]
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
        assert dry.complaints == [line.replace("done", "planned") for line in real.complaints], arguments


def test_a_run_stopped_midway_is_finished_by_skipping_what_exists(quick, tmp_path):
    for name in "abc":
        save(f"in/{name}.png", grey())
    assert quick("apply", "in", "-k", "blur", "-o", "whole").code == 0
    assert quick("apply", "in/a.png", "-k", "blur", "-o", "halves/").code == 0
    ran = quick("apply", "in", "-k", "blur", "-o", "halves", "--skip-existing")
    assert (ran.code, ran.complaints) == (0, ["convfilter: 2 done, 1 skipped"])
    assert tree("halves") == tree("whole")


def test_the_report_counts_and_tells_the_exit_code():
    report = Report()
    assert (report.exit_code, report.in_words()) == (0, "nothing done")
    for status, code in (("done", 0), ("skipped", 0), ("planned", 0), ("failed", 1), ("done", 1)):
        report.add(Result(jobs("a")[0], status=status))
        assert report.exit_code == code
    assert report.in_words() == "2 done, 1 skipped, 1 planned, 1 failed"


def test_filter_file_does_what_apply_does():
    pixels = colour(9, 9)
    save("a.png", pixels)
    cf.filter_file("a.png", "b.tif", "sobel", border="wrap", channels="sum")
    assert np.array_equal(load("b.tif"), cf.apply_kernel(pixels, "sobel", border="wrap", channels="sum"))
    cf.filter_file("a.png", "c.bin", ["blur", cf.get_kernel("sharpen")], format="bmp", threads=1)
    assert load("c.bin").shape == (9, 9, 3)


def test_filter_file_replaces_only_when_told():
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


def test_filter_file_names_the_file_and_refuses_unknown_options():
    save("a.png", grey())
    with pytest.raises(cf.ConvfilterError, match=r"^gone\.png: cannot be opened: No such file"):
        cf.filter_file("gone.png", "b.png", "blur")
    with pytest.raises(cf.ConvfilterError, match=r"^unknown border"):
        cf.filter_file("a.png", "b.png", "blur", border="mirror")
    for option in ("bordr", "skip_existing", "count_clipped", "kernels"):
        with pytest.raises(TypeError, match=option):
            cf.filter_file("a.png", "b.png", "blur", **{option: True})
    with pytest.raises(cf.KernelError, match="sobel"):
        cf.filter_file("a.png", "b.png", "sobl")
    with pytest.raises(cf.ConvfilterError, match="no kernel was given"):
        cf.filter_file("a.png", "b.png", [])
    assert sorted(os.listdir()) == ["a.png"]


@pytest.mark.skipif(sys.platform == "win32", reason="the umask of POSIX systems")
def test_new_files_follow_the_umask_and_replaced_ones_keep_their_permissions(quick):
    save("a.png", grey())
    old = os.umask(0o027)
    try:
        assert quick("apply", "a.png", "-k", "blur", "-o", "b.png").code == 0
        assert os.stat("b.png").st_mode & 0o777 == 0o640
        os.chmod("b.png", 0o604)
        assert quick("apply", "a.png", "-k", "blur", "-o", "b.png", "--overwrite").code == 0
        assert os.stat("b.png").st_mode & 0o777 == 0o604
    finally:
        os.umask(old)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"quality": 0}, "quality 0 is not an integer from 1 to 100"),
        ({"quality": 101}, "quality 101 is not"),
        ({"quality": 80.5}, "quality 80.5 is not"),
        ({"quality": True}, "quality True is not"),
        ({"compress": "smal"}, r"unknown compress 'smal' \(did you mean 'small'\?\)"),
        ({"frames": "every"}, r"unknown frames 'every' \(choose from each, first, stack\)"),
        ({"format": "jpg"}, r"unknown format 'jpg' \(did you mean 'jpeg'\?\)"),
        ({"background": "whit"}, "whit"),
    ],
)
def test_filter_file_refuses_wrong_values_and_writes_nothing(option, message):
    save("a.png", grey())
    with pytest.raises(cf.ConvfilterError, match=message):
        cf.filter_file("a.png", "b.jpg", "blur", **option)
    assert sorted(os.listdir()) == ["a.png"]


@pytest.mark.parametrize("limit", ["many", 0, -1, 2.5, True])
def test_a_limit_on_pixels_is_a_whole_number(limit):
    save("a.png", grey())
    with pytest.raises(cf.ConvfilterError, match=r"max_pixels=.*at least 1"):
        cf.filter_file("a.png", "b.png", "blur", max_pixels=limit)


@pytest.mark.parametrize(("target", "options", "reason"), [
    ("b.foo", {}, "unknown extension"),
    ("b.png", {"format": "jpeg"}, "is a name for png"),
    ("b.png", {"format": "gpeg"}, "unknown format"),
])  # fmt: skip
def test_from_python_too_the_name_of_an_output_is_checked(target, options, reason):
    save("a.png", grey())
    with pytest.raises(cf.ConvfilterError, match=reason):
        cf.filter_file("a.png", target, "blur", **options)
    assert os.listdir() == ["a.png"]


def test_where_no_process_can_be_begun_again_the_rest_is_done_here():
    names = "abcdef"
    for name in names:
        save(f"{name}.png", grey())

    class Lost:
        """An executor whose only worker dies over the first job."""

        started = True

        def is_free(self):
            return self.started

        def submit(self, job):
            self.started = False
            self.job = job

        def next_result(self):
            return self.job, None

        def run_alone(self, job):
            return Result(job, error=cf.ImageError("no workers"))

    outcomes = list(dispatched(jobs(*names), work(), Lost(), lambda outcome: None))
    assert statuses(outcomes) == ["failed"] + ["done"] * 5
