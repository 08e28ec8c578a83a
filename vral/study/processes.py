"""Child processes that end with their parent."""

import multiprocessing
import os
import threading


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
