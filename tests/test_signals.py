"""The signals that end a command."""

import errno
import gc
import os
import signal

import pytest

from vral import signals
from vral.cli import main
from vral.signals import ENDING, Ended, ended_by_signals, exit_code, stop_on_signal

ASKED = ENDING[1:]
"""Those that are not Ctrl-C."""


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.fixture(autouse=True)
def handlers_stay_as_they_were():
    before = [signal.getsignal(number) for number in ENDING]
    yield
    assert [signal.getsignal(number) for number in ENDING] == before


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is set."""
    now = [1000.0]
    monkeypatch.setattr(signals.time, "monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize(("number", "code"), [(2, 130), (15, 143), (1, 129)])
def test_a_signal_ends_a_command_with_128_and_its_number_and_one_line(
    vral, monkeypatch, number, code
):
    monkeypatch.setattr(main, "import_module", lambda name: send(number))
    result = vral("train", "lsgan")
    said = {2: "Interrupted.\n", 15: "Ended by SIGTERM.\n", 1: "Ended by SIGHUP.\n"}[number]
    assert (result.exit_code, result.output) == (code, said)


@pytest.mark.parametrize("number", ENDING)
def test_what_can_stop_is_asked_to(number):
    with stop_on_signal() as ended:
        assert ended() is None
        send(number)
        by = ended()
    assert by is not None
    assert exit_code(by) == 128 + number


def test_the_same_wish_may_come_twice_and_a_second_one_is_raised(clock):
    with stop_on_signal() as ended:
        send(signal.SIGTERM)
        clock[0] += 0.9
        send(signal.SIGTERM)  # timeout signals the process and its group
        send(signal.SIGHUP)
        clock[0] += 0.2
        with pytest.raises(Ended) as raised:
            send(signal.SIGHUP)
    assert exit_code(raised.value) == 129
    assert exit_code(ended()) == 143


@pytest.mark.parametrize("number", ASKED)
def test_a_command_that_cleans_up_is_not_cut_short_by_the_same_wish(clock, number):
    cleaned = []

    def work():
        with ended_by_signals():
            try:
                send(number)
            finally:
                send(number)
                cleaned.append(True)

    with pytest.raises(Ended):
        work()
    assert cleaned
    with ended_by_signals():
        with pytest.raises(Ended):
            send(number)
        clock[0] += 1
        with pytest.raises(Ended):
            send(number)


@pytest.mark.filterwarnings("error")  # as it would be if Python printed the traceback
@pytest.mark.parametrize("number", ENDING)
def test_a_signal_that_a_callback_swallows_is_not_lost(number):
    """Python drops what is raised in a finaliser, and goes on."""

    class Finalised:
        def __del__(self):
            send(number)

    with ended_by_signals():
        unseen = Finalised()
        del unseen
        gc.collect()
        with stop_on_signal() as ended:
            by = ended()
    assert by is not None
    assert exit_code(by) == 128 + number


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_that_is_ignored_stays_ignored(number):
    """As nohup ignores SIGHUP, and a shell Ctrl-C for what it starts in the background."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with ended_by_signals(), stop_on_signal() as ended:
            send(number)
            assert ended() is None
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("code", [errno.EIO, errno.EPIPE, errno.ENOSPC])
def test_a_terminal_that_has_closed_is_no_error_of_its_own(code):
    """Something was printed to it in the instant before its signal was handled."""

    def print_after(wish):
        with stop_on_signal():
            wish()
            raise OSError(code, "cannot print")

    with pytest.raises(OSError if code == errno.ENOSPC else Ended):
        print_after(lambda: send(signal.SIGHUP))
    with pytest.raises(OSError, match="cannot print"):
        print_after(lambda: None)


def test_what_is_printed_to_a_closed_pipe_goes_nowhere():
    reader, writer = os.pipe()
    os.close(reader)
    kept = os.dup(1)
    try:
        os.dup2(writer, 1)
        signals.drop_dead_outputs()
        assert os.write(1, b"nobody reads this") == 17
        os.dup2(kept, 1)
        before = os.fstat(1)
        signals.drop_dead_outputs()
        assert os.path.samestat(os.fstat(1), before)  # What can be written to stays.
    finally:
        os.dup2(kept, 1)
        for descriptor in (kept, writer):
            os.close(descriptor)


def test_blocked_signals_come_later():
    came = []
    with stop_on_signal() as ended:
        with signals.blocked():
            for number in ENDING:
                signal.raise_signal(number)
            came.append(ended())
        came.append(ended())
    assert came[0] is None
    assert came[1] is not None
