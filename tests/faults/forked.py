"""One command of vral in a process of its own, with a fault at one of its file-system events.

The processes are forked from one that has imported vral, so that each starts in milliseconds.
Events are those of ``sys.addaudithook`` that change a file, a folder or a lock under the working
folder; they are numbered from 1. A study's workers are forked too, and count for themselves.
"""

import errno
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from multiprocessing import RawValue, get_context
from types import SimpleNamespace
from typing import Any, NamedTuple

import matplotlib.figure
import scipy.stats  # noqa: F401
import sklearn.metrics  # noqa: F401
import torch
import torch._dynamo  # what the first gradient imports

from vral.cli import experiments, train  # noqa: F401
from vral.cli.main import main
from vral.figures import experiments as figures
from vral.study import sweep

CREATES = os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_RDWR
CHANGES = ("rename", "remove", "mkdir", "rmdir", "link", "symlink", "truncate", "chmod", "utime")
CLOCKS = ("time", "monotonic", "perf_counter")
DAY = 86_400.0


class Event(NamedTuple):
    """A change of a file that is about to happen."""

    process: str
    """ "parent" or "worker"."""
    name: str
    path: str

    @property
    def kind(self) -> str:
        """The event without what differs between rounds, processes and arms."""
        parts = [part.split("=")[0] for part in self.path.split("/")]
        text = "/".join(parts)
        return f"{self.process} {self.name} " + "".join("#" if c.isdigit() else c for c in text)


class Fault(NamedTuple):
    """What happens at the event of a number: see ``_strike``."""

    kind: str
    event: int
    process: str = "parent"
    value: float = 0


def event_of(name: str, arguments: Sequence[Any], process: str) -> Event | None:
    """The event of an audit hook, if it changes something under the working folder."""
    path = arguments[0] if arguments else None
    if name == "open":
        if not isinstance(arguments[2], int) or not arguments[2] & CREATES:
            return None
    elif name == "fcntl.flock":
        return Event(process, name, "")
    elif name.removeprefix("os.") not in CHANGES and not name.startswith("shutil."):
        return None
    if not isinstance(path, str | bytes):
        return None
    text = os.path.abspath(os.fsdecode(path))
    inside = os.path.relpath(text)
    return None if inside.startswith("..") else Event(process, name, inside)


def run(
    arguments: Sequence[str], folder: bytes, output: str, fault: Fault | None, log: str | None
) -> None:
    """Run vral in ``folder``, print to the file ``output``, note the events in the file ``log``."""
    os.setsid()
    # For reading too, else a terminal would not become the one that controls this process.
    to = os.open(output, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    os.dup2(to, 1)
    os.dup2(to, 2)
    # The streams of the fork server have asked whether what they wrote to could seek.
    sys.stdout, sys.stderr = (open(it, "w", closefd=False) for it in (1, 2))  # noqa: SIM115
    os.chdir(folder)
    torch.set_num_threads(1)
    # A plain figure: it is written as any other is, and drawn in a tenth of the time.
    figures.FIGURES["ratios"] = lambda selection: {
        "overview": lambda width: matplotlib.figure.Figure()
    }
    forked = SimpleNamespace(get_context=lambda kind: get_context("fork"))
    sweep.mp = forked
    _watch(fault, log)
    sys.argv = ["vral", *arguments]
    main(list(arguments), prog_name="vral")


def _watch(fault: Fault | None, log: str | None) -> None:
    me, seen = os.getpid(), Counter[int]()
    struck = RawValue("b", 0)  # shared with the workers, which may be forked again
    notes = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND) if log else None

    def kill_when_it_has_happened(frame: Any, what: str, argument: object) -> None:
        if frame.f_code is not hook.__code__:
            os.kill(os.getpid(), signal.SIGKILL)

    def hook(name: str, arguments: tuple) -> None:
        pid = os.getpid()
        event = event_of(name, arguments, "parent" if pid == me else "worker")
        if event is None:
            return
        seen[pid] += 1
        if notes is not None:
            os.write(notes, os.fsencode("\t".join((str(pid), *event)) + "\n"))
        if fault is None or event.process != fault.process or seen[pid] < fault.event:
            return
        if fault.kind == "kill after" and not struck.value:
            struck.value = 1
            sys.setprofile(kill_when_it_has_happened)
        else:
            _strike(fault, event, seen[pid] == fault.event, struck)

    sys.addaudithook(hook)


def _strike(fault: Fault, event: Event, exactly: bool, struck: Any) -> None:
    """Let ``fault`` happen at ``event``, which is the one of its number or a later one."""
    if fault.kind == "no space":
        if event.name in ("open", "os.mkdir", "os.symlink", "os.link"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), event.path)
    elif fault.kind == "read only":
        if event.name != "fcntl.flock":
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), event.path)
    elif struck.value or not exactly:
        return
    elif fault.kind == "broken disk":
        struck.value = 1
        raise OSError(errno.EIO, os.strerror(errno.EIO), event.path)
    elif fault.kind == "kill before":
        struck.value = 1
        os.kill(os.getpid(), signal.SIGKILL)
    elif fault.kind == "signal":
        struck.value = 1
        os.kill(os.getpid(), int(fault.value))
    elif fault.kind == "clock":
        struck.value = 1
        _move_clocks(fault.value)


def _move_clocks(seconds: float) -> None:
    for name in CLOCKS:
        real = getattr(time, name)
        setattr(time, name, lambda real=real: real() + seconds)
