"""Jobs handed out a bounded number at a time, to whoever does them; outcomes in the order of the jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future
from queue import SimpleQueue
from typing import Protocol

from convfilter.batch.job import Outcome, filter_job, not_attempted, settled
from convfilter.batch.work import Job, Work
from convfilter.messages import one_line
from convfilter.outputs import STREAM

__all__ = ["Crew", "dispatched"]

# Outcomes that wait for an earlier one; a picture that takes hours must not fill memory with them.
_AHEAD = 20_000

_DIED = (
    "the process at work on it died (out of memory, or a crash in a decoder): "
    "try it alone, with --jobs 1 or more memory"
)

_NOBODY = "a process at work died and the system lets no other begin: run it again with --skip-existing"


class Crew(Protocol):
    """Those who do the jobs, each in a process of its own.

    Attributes
    ----------
    width : int
        How many jobs to hand out at once.
    """

    width: int

    def submit(self, job: Job) -> Future[Outcome | None]:
        """Have a job done among others; None comes back if it takes too much memory for that."""

    def submit_alone(self, job: Job) -> Future[Outcome | None]:
        """Have a job done while nothing else is, if it may have been begun before."""

    def renew(self) -> bool:
        """Begin anew after a process died; return whether there is anyone to hand jobs to."""


def dispatched(
    jobs: Sequence[Job], work: Work, crew: Crew, finished: Callable[[Outcome], object]
) -> Iterator[Outcome]:
    """Have jobs done by a crew.

    Parameters
    ----------
    jobs : sequence of Job
        The jobs, each taken once.
    work : Work
        What the crew does to each.
    crew : Crew
        Who does it.
    finished : callable
        Is told of every outcome as soon as it is there.

    Yields
    ------
    Outcome
        One for each job, in their order.

    Notes
    -----
    When a process dies, nobody knows which of the jobs that were handed out killed it. Each of them is done
    once more, alone; the one whose process dies again is the one.
    """
    desk = _Desk(jobs, work, crew, finished)
    while True:
        yield from desk.in_order()
        if not desk.step():
            return


class _Desk:
    """What is handed out, what came back, what waits."""

    def __init__(
        self, jobs: Sequence[Job], work: Work, crew: Crew, finished: Callable[[Outcome], object]
    ) -> None:
        self._todo = iter(enumerate(jobs))
        self._work, self._crew, self._finished = work, crew, finished
        self._answers: SimpleQueue[tuple[int, Future[Outcome | None]]] = SimpleQueue()
        self._flying: dict[int, Job] = {}
        self._alone: list[tuple[int, Job]] = []
        self._held: dict[int, Outcome] = {}
        self._next = 0
        self._left, self._broken, self._full = True, False, False
        self._deserted = False

    def in_order(self) -> Iterator[Outcome]:
        """Give away the outcomes whose turn it is."""
        while self._next in self._held:
            yield self._held.pop(self._next)
            self._next += 1

    def step(self) -> bool:
        """Do one thing; return whether there was one to do."""
        free = len(self._flying) < self._crew.width and len(self._held) < _AHEAD
        if self._left and free and not self._alone and not self._broken:
            self._hand_out()
        elif self._flying:
            self._take(*self._answers.get())
        elif self._alone:
            self._do_alone()
        elif self._left:
            self._broken = False
        else:
            return False
        return True

    def _hand_out(self) -> None:
        number, job = next(self._todo, (0, None))
        if job is None:
            self._left = False
            return
        here = self._deserted or job.source == STREAM  # which other processes do not see
        outcome = not_attempted(job) if self._full else None if here else settled(job, self._work)
        if here and outcome is None:
            outcome = filter_job(job, self._work, lone=False)
        if outcome is not None:
            self._end(number, outcome)
            return
        self._flying[number] = job
        try:
            future = self._crew.submit(job)
        except BrokenExecutor as error:
            future = Future()
            future.set_exception(error)
        future.add_done_callback(lambda answer: self._answers.put((number, answer)))

    def _take(self, number: int, future: Future[Outcome | None]) -> None:
        job = self._flying.pop(number)
        try:
            outcome = future.result()
        except BrokenExecutor:
            outcome, self._broken = None, True
        except Exception as error:  # whatever those who do the jobs say of one that they gave up
            outcome = _given_up(job, error)
        if outcome is None:
            self._alone.append((number, job))
        else:
            self._end(number, outcome)

    def _do_alone(self) -> None:
        if self._broken:
            self._renew()
        self._alone.sort()
        number, job = self._alone.pop(0)
        if self._full:
            self._end(number, not_attempted(job))
            return
        if self._deserted:  # one of these has killed a process, which must not be this one
            self._end(number, Outcome(job, error=_NOBODY))
            return
        try:
            outcome = self._crew.submit_alone(job).result()
        except BrokenExecutor:
            outcome, self._broken = Outcome(job, error=_DIED), True
        except Exception as error:  # as in `_take`
            outcome = _given_up(job, error)
        assert outcome is not None  # alone, nothing is too large
        self._end(number, outcome)
        if self._broken and not self._alone:
            self._renew()

    def _renew(self) -> None:
        self._broken = False
        self._deserted = not self._crew.renew()

    def _end(self, number: int, outcome: Outcome) -> None:
        self._full = self._full or outcome.disk_full
        self._held[number] = outcome
        self._finished(outcome)


def _given_up(job: Job, error: Exception) -> Outcome:
    reason = one_line(error) or type(error).__name__
    return Outcome(job, error=f"its worker gave it up: {reason}")
