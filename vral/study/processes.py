"""Child processes that end with their parent, and by nothing but their parent."""

import multiprocessing
import os
import threading
from multiprocessing import resource_tracker
from multiprocessing.process import BaseProcess

from vral import signals


def start_without_signals(process: BaseProcess) -> None:
    """Start a child process that Ctrl-C, SIGTERM and SIGHUP do not reach, from its first moment on.

    They are sent to a whole group of processes, and only the parent answers them.
    """
    with signals.blocked():
        # It unblocks two of the signals when it starts its own process, so that comes first.
        resource_tracker.ensure_running()
    with signals.blocked():
        process.start()


def end_with_parent() -> None:
    """Let this child process end as soon as its parent ends, whatever it is doing.

    Its work must leave nothing half written on disk when it is cut short. A signal would not do:
    SIGKILL is passed on to no child. Does nothing in a process without a parent.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
