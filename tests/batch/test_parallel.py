"""Images side by side in worker processes: order, deaths, memory, limits of the system."""

import errno
import itertools
import json
import os
import pty
import resource
import subprocess
import sys
import textwrap

import pytest
from conftest import SECONDS, ended, environment, wait_for
from samples import colour, grey, save, save_all, tree

import convfilter as cf
from convfilter.batch import executors, run_jobs
from convfilter.batch.job import TOO_LARGE, memory_needed, run_job
from convfilter.batch.plan import Job, Settings
from convfilter.images.picture import Size
from convfilter.options import BatchOptions, FilterOptions

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and processes of POSIX systems")

APPLY = ["apply", "in", "-k", "blur", "-o", "out"]


def opening(before):
    """Do something before each image is opened."""
    lines = textwrap.indent(before.strip(), "    ")
    return f"""
inner = job.opened_frames
def opened_frames(source, **options):
{lines}
    return inner(source, **options)
job.opened_frames = opened_frames
"""


LATE_LOOK = opening("time.sleep(0.05)")  # every output comes into being after it was looked for
SLOW_FIRST = opening("time.sleep(0.3 * str(source).endswith('a.png'))")
MISTAKEN = opening("if source.endswith('b.png'): {}['oops']")


def deadly(*, once):
    return opening(f"""
if "deadly" in str(source) and not ({once} and os.path.exists("happened")):
    open("happened", "w").close()
    os.kill(os.getpid(), signal.SIGKILL)
""")


# The output is written, but not reported.
DEADLY_AT_THE_END = """
inner = files.commit
def commit(target, write, **options):
    inner(target, write, **options)
    try:
        os.mkdir("happened")  # by one of the workers only, however close they are
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
files.commit = commit
"""
FULL = """
from convfilter.batch import executors
executors.available_memory = lambda: {memory}
inner = files.commit
def commit(target, write, **options):
    if os.path.basename(target) != "a.png":
        raise OSError({number}, os.strerror({number}), target)
    time.sleep(0.1)
    return inner(target, write, **options)
files.commit = commit
"""
# One worker starts, and no other once it has died.
SINGLE = """
from convfilter.batch import executors
start = executors.Pool._start
executors.Pool._start = lambda self: not (self._workers or os.path.exists("happened")) and start(self)
"""
SPAWNED = """
import multiprocessing
from convfilter.batch import executors
executors._context = lambda: multiprocessing.get_context("spawn")
"""


def test_the_number_of_workers_changes_neither_files_nor_words(begin, tmp_path):
    save_all(tmp_path / "in")
    (tmp_path / "in" / "c.png").write_bytes(b"garbage")
    arguments = ["apply", "in", "-k", "sobel", "-v", "-j"]
    (code, out, err), other = (
        ended(begin(*arguments, jobs, "-o", f"out{jobs}", change=SLOW_FIRST)) for jobs in "14"
    )
    assert (code, other[0], other[2]) == (1, 1, err)
    words, others = ([line for line in lines if "clipped" not in line] for lines in (out, other[1]))
    assert [line.replace("out4", "out1") for line in others] == words
    assert tree(tmp_path / "out1") == tree(tmp_path / "out4")
    assert len(tree(tmp_path / "out1")) == 5


@pytest.mark.parametrize("once", [False, True])
def test_an_image_whose_worker_dies_runs_once_more_alone(begin, tmp_path, once):
    save_all(tmp_path / "in")
    save(tmp_path / "in" / "deadly.png", grey())
    code, out, err = ended(begin(*APPLY, "-j", "2", "--json", change=deadly(once=once)))
    statuses = [json.loads(line)["status"] for line in out]
    assert statuses == ["done"] * 4 + ["done" if once else "failed"] + ["done"] * 2
    assert code == (0 if once else 1)
    assert ("convfilter: 7 done" if once else "convfilter: 6 done, 1 failed") in err
    assert once or err[0].startswith("convfilter: in/deadly.png: the worker process died")
    assert set(tree(tmp_path / "out")) >= {f"{name}.png" for name in "abcdef"}


def test_where_no_worker_can_be_started_again_the_rest_is_done_without(begin, tmp_path):
    save_all(tmp_path / "in")
    save(tmp_path / "in" / "deadly.png", grey())
    code, _, err = ended(begin(*APPLY, "-j", "2", change=deadly(once=False) + SINGLE))
    assert (code, err[1]) == (1, "convfilter: 6 done, 1 failed")
    assert err[0].startswith("convfilter: in/deadly.png: a worker process died, and the system allows")


def test_an_output_whose_worker_died_before_it_could_tell_counts_as_done(begin, tmp_path):
    save_all(tmp_path / "in")
    code, _, err = ended(begin(*APPLY, "-j", "2", change=DEADLY_AT_THE_END))
    assert (code, err) == (0, ["convfilter: 6 done"])
    assert (tmp_path / "happened").exists()
    assert len(tree(tmp_path / "out")) == 6


@pytest.mark.parametrize(("jobs", "memory"), [(1, None), (2, None), (4, 1000)])
def test_a_full_disk_stops_the_run_and_the_rest_is_not_attempted(begin, tmp_path, jobs, memory):
    """Also of the images that must run one by one for want of memory."""
    save_all(tmp_path / "in", "abcdefghijkl")
    change = FULL.format(number=errno.EDQUOT if jobs == 1 else errno.ENOSPC, memory=memory or 1 << 40)
    code, out, _ = ended(begin(*APPLY, "-j", str(jobs), "--json", change=change))
    assert code == 1
    results = [json.loads(line) for line in out]
    failed = [each for each in results if each["status"] == "failed"]
    assert 1 <= len(failed) <= (2 if jobs == 2 else 1)
    assert f"{failed[0]['output']} cannot be written: " in failed[0]["error"]
    rest = [each["status"] for each in results if each not in failed]
    assert rest[0] == "done" or memory
    assert set(rest[1:]) == {"not attempted"}
    assert len(results) == 12


def test_a_mistake_of_the_program_over_one_image_is_an_internal_error(begin, tmp_path):
    save_all(tmp_path / "in", "abc")
    code, out, err = ended(begin(*APPLY, "-j", "2", "--json", "-v", change=MISTAKEN))
    reason = "internal error, please report it: KeyError: 'oops'"
    assert code == 1
    assert err[:2] == [f"convfilter: in/b.png: {reason}", "Traceback (most recent call last):"]
    assert err[-3:-1] == ["KeyError: 'oops'", "convfilter: 2 done, 1 failed"]
    assert [json.loads(line)["error"] for line in out] == [None, reason, None]
    assert sorted(tree(tmp_path / "out")) == ["a.png", "c.png"]


def test_standard_input_is_read_beside_images_of_other_processes(begin, tmp_path):
    save_all(tmp_path / "in", "ab")
    save(tmp_path / "c.png", grey())
    with open(tmp_path / "c.png", "rb") as stream:
        code, _, err = ended(begin(*APPLY, "-", "-j", "2", "--format", "png", stdin=stream))
    assert (code, err) == (0, ["convfilter: 3 done"])
    assert sorted(tree(tmp_path / "out")) == ["in/a.png", "in/b.png", "stdin.png"]


def test_workers_that_are_not_copies_of_this_process_do_the_same(begin, tmp_path):
    save_all(tmp_path / "in", "abc")
    assert ended(begin(*APPLY, "-j", "2", change=SPAWNED))[::2] == (0, ["convfilter: 3 done"])


def test_a_run_that_was_killed_is_finished_byte_for_byte_by_skipping_what_exists(begin, tmp_path):
    save_all(tmp_path / "in", "abcdefghij")
    ended(begin("apply", "in", "-k", "blur", "-o", "whole", "-j", "2"))
    out = tmp_path / "out"
    process = begin(*APPLY, "-j", "2", change=SLOW_FIRST)
    wait_for(lambda: out.exists() and len(os.listdir(out)) >= 3)
    process.kill()
    process.communicate()
    assert ended(begin(*APPLY, "-j", "2", "--skip-existing"))[0] == 0
    assert tree(out) == tree(tmp_path / "whole")


@pytest.mark.parametrize("option", ["-v", "--skip-existing"])
def test_of_two_runs_at_once_each_output_is_made_by_one(begin, tmp_path, option):
    save_all(tmp_path / "in", "abcdefgh")
    both = [begin(*APPLY, "-j", jobs, option, "--json", change=LATE_LOOK) for jobs in "12"]
    ends = [ended(process) for process in both]
    pairs = zip(*([json.loads(line) for line in out] for _, out, _ in ends), strict=True)
    other = "failed" if option == "-v" else "skipped"
    assert [sorted(each["status"] for each in pair) for pair in pairs] == [["done", other]] * 8
    assert sorted(code for code, _, _ in ends) in ([[0, 0]] if other == "skipped" else [[0, 1], [1, 1]])
    assert len(tree(tmp_path / "out")) == 8


# Memory.


def test_an_image_larger_than_its_share_is_refused_before_it_is_decoded(tmp_path):
    save(tmp_path / "a.png", colour(30, 20))
    with open(tmp_path / "a.png", "r+b") as stream:
        stream.truncate(200)
    settings = Settings((cf.get_kernel("blur"),))
    job = Job(str(tmp_path / "a.png"), str(tmp_path / "b.png"), "png")
    estimate = memory_needed(Size(20, 30, 3, "RGB", "uint8", "png", 1), "png", settings)
    assert run_job(job, settings, memory=estimate - 1).status == TOO_LARGE
    assert "broken png data" in str(run_job(job, settings, memory=estimate).error)


def test_the_estimate_counts_all_that_is_held_at_once():
    size = Size(4000, 3000, 3, "RGB", "uint16", "ppm", 7)
    samples = 4000 * 3000 * 3

    def estimate(kernels=("blur",), form="ppm", size=size, filtering=None, **options):
        chain = tuple(cf.get_kernel(kernel) for kernel in kernels)
        settings = Settings(chain, filtering or FilterOptions(), batch=BatchOptions(jobs=1, **options))
        return memory_needed(size, form, settings) / samples

    assert 4 < estimate() < 5  # in and out, and a few megabytes
    assert 28 < estimate(frames="stack") < 29
    assert estimate(form="avif") > 7 * 4 / 3 + estimate()
    assert 12 < estimate(("blur", "sobel")) < 14  # in, floats of 64 bits between them, and out
    assert 18 < estimate(("blur", "sharpen", "sobel")) < 20
    assert 12 < estimate(filtering=FilterOptions(linear=True)) < 14
    grown = (4000 + 7998) * (3000 + 7998) / (4000 * 3000)
    assert 2 + 2 * grown < estimate(filtering=FilterOptions(padding=4000)) < 3 + 2 * grown
    assert estimate(size=size._replace(width=1 << 20, height=1 << 20)) > 1 << 13


def test_the_least_that_system_and_limits_allow_is_available(monkeypatch, tmp_path):
    assert 0 < executors.available_memory() < 1 << 50
    (tmp_path / "max").write_text("3000000\n")
    (tmp_path / "current").write_text("1000000\n")
    monkeypatch.setattr(executors, "_CONTROL_GROUPS", ((str(tmp_path / "max"), str(tmp_path / "current")),))
    assert executors.available_memory() == 2_000_000
    (tmp_path / "max").write_text("max\n")
    assert executors.available_memory() > 2_000_000
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (1_000_000, 1_000_000))
    assert executors.available_memory() == 1_000_000


def test_images_that_do_not_fit_together_are_done_alone(tmp_path):
    """Each notes when it begins and ends; with little memory no two overlap, with much they do."""
    script = tmp_path / "script.py"
    script.write_text("""
import os, sys, time
import convfilter as cf
from convfilter.batch import job, run_jobs
from convfilter.batch.plan import Job, Settings
from convfilter.options import BatchOptions, FilterOptions

def slow(picture, settings, result):
    begin = time.monotonic()
    time.sleep(0.1)
    with open("log", "a") as stream:
        stream.write(f"{begin} {time.monotonic()} {settings.batch.jobs}\\n")

job._filter = slow
jobs = [Job(f"{name}.png", f"out{sys.argv[1]}/{name}.png", "png") for name in "abcd"]
settings = Settings((cf.get_kernel("blur"),), batch=BatchOptions(jobs=4))
statuses = [result.status for result in run_jobs(jobs, settings, memory=int(sys.argv[1]))]
assert statuses == ["done"] * 4, statuses
""")
    save_all(tmp_path, "abcd", 20, 30)
    for memory, overlaps, threads in ((4 * 20 * 30 * 3 * 4 - 1, False, {"4"}), (1 << 30, True, {"1"})):
        command = [sys.executable, script, str(memory)]
        subprocess.run(command, cwd=tmp_path, env=environment(), check=True, timeout=SECONDS)
        spans = sorted(line.split() for line in (tmp_path / "log").read_text().splitlines())
        (tmp_path / "log").unlink()
        met = [float(one[1]) > float(next_[0]) for one, next_ in itertools.pairwise(spans)]
        assert (len(spans), any(met)) == (4, overlaps)
        assert {each[2] for each in spans} == threads


def test_a_single_image_is_done_in_the_process_itself_on_all_cores(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_all(tmp_path, "a")
    before = os.times().children_user
    settings = Settings((cf.get_kernel("blur"),), batch=BatchOptions(jobs=4))
    (result,) = run_jobs([Job("a.png", "b.png", "png")], settings)
    assert result.status == "done"
    assert os.times().children_user == before


# Few processes, threads and descriptors.


@pytest.mark.parametrize("count", [7, 16])
def test_with_few_descriptors_there_are_fewer_workers(begin, tmp_path, count):
    save_all(tmp_path / "in")
    process = begin(
        *(*APPLY, "-j", "4"), preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))
    )
    code, _, err = ended(process)
    assert (code, err) == (0, ["convfilter: 6 done"])
    assert len(tree(tmp_path / "out")) == 6


# All modules are loaded by a first run: the user that limits hold for may read none of them.
FEW_PROCESSES = """
import concurrent.futures.thread
from convfilter.batch import executors
from convfilter.cli import main
try:
    main()
except SystemExit:
    sys.argv[sys.argv.index("first")] = "out"
    sys.argv[sys.argv.index("-j") + 1] = "4"
import resource
resource.setrlimit(resource.RLIMIT_NPROC, ({count}, {count}))
os.setgid(65534)
os.setuid(65534)
"""


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become another user"
)
@pytest.mark.parametrize(("count", "source"), [(1, "in"), (3, "in"), (1, "in/a.png")])
def test_with_few_processes_there_are_fewer_workers_and_threads(begin, tmp_path, count, source):
    save_all(tmp_path / "in")
    save(tmp_path / "in" / "a.png", colour(600, 600))
    for folder in ("first", "out"):
        (tmp_path / folder).mkdir()
    for path in (tmp_path, tmp_path / "out", tmp_path / "in"):
        path.chmod(0o777)
    arguments = ["apply", source, "-k", "gaussian:sigma=5", "-o", "first", "-j", "1"]
    code, _, err = ended(begin(*arguments, change=FEW_PROCESSES.format(count=count)))
    names = "abcdef" if source == "in" else "a"
    assert (code, err) == (0, ["convfilter: 6 done"] * 2 if source == "in" else [])
    assert tree(tmp_path / "out") == tree(tmp_path / "first")
    assert sorted(tree(tmp_path / "out")) == [f"{name}.png" for name in names]


# Terminals.


def drawn_by(begin, stream, *arguments):
    """What a run draws on a terminal in place of stdout or stderr."""
    ours, theirs = pty.openpty()
    process = begin(*arguments, **{stream: theirs})
    os.close(theirs)
    drawn = b""
    while True:
        try:
            drawn += os.read(ours, 1 << 16)
        except OSError:  # the terminal is closed when the last who writes to it has ended
            break
    os.close(ours)
    process.communicate(timeout=SECONDS)
    return drawn.decode()


def test_progress_is_drawn_at_a_terminal_only(begin, tmp_path):
    save_all(tmp_path / "in")
    (tmp_path / "in" / "c.png").write_bytes(b"garbage")
    drawn = drawn_by(begin, "stderr", *APPLY, "-j", "2")
    assert "6/6" in drawn
    assert "/s, 1 failed" in drawn
    assert "\r\x1b[Kconvfilter: in/c.png: " in drawn
    assert "convfilter: 5 done, 1 failed\r\n" in drawn
    assert drawn.rfind("\x1b[?25h") > drawn.rfind("\x1b[?25l")  # the cursor is back
    _, _, err = ended(begin(*APPLY, "--overwrite"))
    assert err[-1] == "convfilter: 5 done, 1 failed"
    assert not any("\x1b" in line or "\r" in line for line in err)


def test_a_preview_is_drawn_at_a_terminal_only(begin, quick, tmp_path):
    save(tmp_path / "a.png", colour(40, 60))
    arguments = ["apply", "a.png", "-k", "blur", "--overwrite", "-o", "b.png", "--preview"]
    first, *others = drawn_by(begin, "stdout", *arguments).splitlines()
    assert first.startswith("a.png -> b.png ")
    assert any("\u2580" in line and "\x1b[" in line for line in others)
    assert "\x1b" not in quick(*arguments).out
    (tmp_path / "b.png").unlink()
    assert drawn_by(begin, "stdout", *arguments, "-n").splitlines() == [first, *others]
    assert sorted(os.listdir(tmp_path)) == ["a.png"]
