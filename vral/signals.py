"""The signals that end a command and lose nothing: Ctrl-C, SIGTERM and SIGHUP.

Slurm, Docker and systemd end a process by SIGTERM, a terminal that closes by SIGHUP. Both do here
what Ctrl-C (SIGINT) does, except where they are ignored from the start, as nohup ignores SIGHUP.
"""

import errno
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
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


class _Raiser:
    """A handler that raises Ended, and remembers it in case that nobody gets to see it.

    Python drops what is raised within a callback, such as those of imports.
    """

    ended: Ended | None = None

    def __init__(self) -> None:
        self.last = -PAIR_SECONDS

    def __call__(self, number: int, _: object) -> None:
        now = time.monotonic()
        if number == signal.SIGINT or now - self.last >= PAIR_SECONDS:
            self.last = now
            self.ended = Ended(number)
            drop_dead_outputs()
            raise self.ended


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let the signals of ENDING raise Ended while the block runs."""
    hook = sys.unraisablehook
    sys.unraisablehook = lambda dropped: (
        None if isinstance(dropped.exc_value, Ended) else hook(dropped)
    )
    try:
        with _answered(_Raiser()):
            yield
    finally:
        sys.unraisablehook = hook


@contextmanager
def stop_on_signal() -> Iterator[Callable[[], Ended | None]]:
    """Yield a function that says which signal of ENDING has come; a second signal is raised."""
    handlers = map(signal.getsignal, ENDING)
    asked = next((h.ended for h in handlers if isinstance(h, _Raiser) and h.ended), None)
    first = time.monotonic()

    def ask(number: int, _: object) -> None:
        nonlocal asked, first
        drop_dead_outputs()
        if asked is None:
            asked, first = Ended(number), time.monotonic()
        elif time.monotonic() - first >= PAIR_SECONDS:
            raise Ended(number)

    def ended() -> Ended | None:
        return asked

    with _answered(ask):
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
def _answered(handler: Callable[[int, object], None]) -> Iterator[None]:
    """Let ``handler`` answer the signals of ENDING that Python may answer and nobody ignores."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in ENDING}
    mine = [number for number, now in before.items() if now not in (signal.SIG_IGN, None)]
    for number in mine:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in mine:
            signal.signal(number, before[number])
