"""The signals that end a command and lose nothing: Ctrl-C, SIGTERM and SIGHUP.

Slurm, Docker and systemd end a process by SIGTERM, a terminal that closes by SIGHUP. Both do here
what Ctrl-C (SIGINT) does, except where they are ignored from the start, as nohup ignores SIGHUP.
"""

import errno
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

PAIR_SECONDS = 1.0
"""Within this time the same wish may come twice: GNU timeout signals a process and its group, and a
terminal that closes lets both the kernel and the shell send SIGHUP."""


class Ended(KeyboardInterrupt):
    """A signal of ENDING as an exception."""

    def __init__(self, number: int):
        super().__init__()
        self.number = signal.Signals(number)


def exit_code(error: KeyboardInterrupt) -> int:
    """128 + n for the signal n, which is how a shell counts: 130 after Ctrl-C."""
    return 128 + _number(error)


def what_ended(error: KeyboardInterrupt) -> str:
    """The beginning of the line that a command ends with: "Interrupted" after Ctrl-C."""
    number = _number(error)
    return "Interrupted" if number == signal.SIGINT else f"Ended by {number.name}"


def _number(error: KeyboardInterrupt) -> signal.Signals:
    return error.number if isinstance(error, Ended) else signal.SIGINT


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """In this block SIGTERM and SIGHUP raise Ended, as Ctrl-C raises KeyboardInterrupt."""
    last = -PAIR_SECONDS

    def end(number: int, _: object) -> None:
        nonlocal last
        if time.monotonic() - last >= PAIR_SECONDS:
            last = time.monotonic()
            drop_dead_outputs()
            raise Ended(number)

    with _answered(ENDING[1:], end):
        yield


@contextmanager
def interrupts_marked() -> Iterator[None]:
    """In this block Ctrl-C raises Ended, unlike code of a user that raises KeyboardInterrupt."""

    def end(number: int, _: object) -> None:
        raise Ended(number)

    with _answered((signal.SIGINT,), end):
        yield


@contextmanager
def stop_on_signal() -> Iterator[Callable[[], Ended | None]]:
    """Yield a function that says which signal of ENDING has come; a second signal is raised."""
    asked: Ended | None = None
    first = 0.0

    def ask(number: int, _: object) -> None:
        nonlocal asked, first
        drop_dead_outputs()
        if asked is None:
            asked, first = Ended(number), time.monotonic()
        elif time.monotonic() - first >= PAIR_SECONDS:
            raise Ended(number)

    def ended() -> Ended | None:
        return asked

    with _answered(ENDING, ask):
        try:
            yield ended
        except OSError as error:  # Something was printed before the handler could run.
            by = ended()
            if by is None or error.errno not in (errno.EIO, errno.EPIPE):
                raise
            raise by from None


@contextmanager
def blocked() -> Iterator[None]:
    """In this block the signals of ENDING wait, and processes that it starts never see them.

    A blocked signal stays blocked in a child. This process receives it when the block ends, or at
    once through another of its threads.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def drop_dead_outputs() -> None:
    """Let go nowhere what is printed to a terminal or a pipe that has closed.

    Otherwise it would raise an error, and once more when Python ends.
    """
    for descriptor in (1, 2):
        poll = select.poll()
        poll.register(descriptor, 0)  # errors alone
        if poll.poll(0):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, descriptor)
            os.close(nowhere)


@contextmanager
def _answered(
    numbers: Sequence[signal.Signals], handler: Callable[[int, object], None]
) -> Iterator[None]:
    """Let ``handler`` answer the signals that Python may answer and that are not ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in numbers}
    mine = [number for number, now in before.items() if now not in (signal.SIG_IGN, None)]
    for number in mine:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in mine:
            signal.signal(number, before[number])
