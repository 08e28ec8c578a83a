"""What must never lose or change a number: every fault, its cases, and what happened.

``python tests/faults/faults.py`` tries every case and prints the table of runs/README.md; the tests
try one case of each kind. Nothing is lost where the same command again ends bit for bit like the
undisturbed one, or says in one line what is wrong and leaves every file as it was.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from forked import DAY, Event, Fault
from trials import (
    RUN,
    STUDY,
    Row,
    Tally,
    Trials,
    assert_same,
    content,
    copy,
    one_line,
    precious,
    state,
    wait_until,
)

LONGER = [*RUN]
LONGER[LONGER.index("3")] = "5"
"""The command that prolongs a finished RUN."""

DIFFERS = "out holds a run with other settings"
"""What a command says that finds another number in run.json."""

COMMANDS = {"run": RUN, "study": STUDY}


def case(event: Event, number: int) -> str:
    """An event in words."""
    return f"event {number} of the {event.process}, {event.name} {event.path}"


# --- kills, signals, clocks: at every event ------------------------------------------------------


def kills(trials: Trials, what: str) -> Tally:
    """Kill -9 of a run or a study before and after every event."""
    tally = Tally(f"`kill -9` before and after every file-system event of a {what}")
    known: dict[str, str] = {}
    for number, event in trials.undisturbed(COMMANDS[what]).events("parent", trials.full):
        for kind in ("kill before", "kill after"):

            def outcome(kind: str = kind, number: int = number) -> str:
                where = trials.folder()
                fault = Fault(kind, number)
                code = trials.call([*COMMANDS[what], "out"], where, fault).code
                assert code == -signal.SIGKILL, f"exit code {code}"
                left = state(where)  # Equal states continue equally.
                if left not in known:
                    known[left] = trials.continues(COMMANDS[what], where)
                return known[left]

            tally.check(f"{kind} {case(event, number)}", outcome)
    return tally


def killed_workers(trials: Trials) -> Tally:
    """Kill -9 of a study's worker before and after every event of it."""
    tally = Tally("`kill -9` of a study's worker before and after every event of it")
    reference = trials.undisturbed(STUDY)
    for number, event in reference.events("worker", trials.full):
        for kind in ("kill before", "kill after"):

            def outcome(kind: str = kind, number: int = number) -> str:
                where = trials.folder()
                result = trials.call([*STUDY, "out"], where, Fault(kind, number, "worker"))
                assert result.code == 0, result.output
                assert_same(content(where / "out"), content(reference.where / "out"), "")
                return "ended bit for bit by another worker"

            tally.check(f"{kind} {case(event, number)}", outcome)
    return tally


def signals(trials: Trials, what: str) -> Tally:
    """Each signal at every event."""
    tally = Tally(f"SIGINT, SIGTERM, SIGHUP at every event of a {what}")
    for i, (number, event) in enumerate(trials.undisturbed(COMMANDS[what]).events("parent", True)):
        for j, sent in enumerate((signal.SIGINT, signal.SIGTERM, signal.SIGHUP)):
            if not trials.full and i % 9 != 3 * j:
                continue

            def outcome(sent: int = sent, number: int = number) -> str:
                where = trials.folder()
                fault = Fault("signal", number, value=sent)
                result = trials.call([*COMMANDS[what], "out"], where, fault)
                if result.code != 0:
                    assert result.code == 128 + sent, f"exit code {result.code}: {result.output}"
                    said = result.output.strip().splitlines()[-1]
                    name = "Interrupted" if sent == 2 else f"Ended by {signal.Signals(sent).name}"
                    assert said.startswith(name), result.output
                continued = trials.continues(COMMANDS[what], where)
                return continued if result.code else "came too late to stop anything"

            tally.check(f"signal {sent} at {case(event, number)}", outcome)
    return tally


def clocks(trials: Trials) -> Tally:
    """All clocks jump by a day, forwards and backwards."""
    tally = Tally("the clocks jump by a day, either way, at every event of a run")
    reference = trials.undisturbed(RUN)
    for i, (number, event) in enumerate(reference.events("parent", True)):
        for j, jump in enumerate((DAY, -DAY)):
            if not trials.full and i % 12 != 6 * j:
                continue

            def outcome(jump: float = jump, number: int = number) -> str:
                where = trials.folder()
                result = trials.call([*RUN, "out"], where, Fault("clock", number, value=jump))
                assert result.code == 0, result.output
                assert_same(content(where / "out"), content(reference.where / "out"), "")
                return "same numbers"

            tally.check(f"{jump:+g} s at {case(event, number)}", outcome)
    return tally


# --- disks ---------------------------------------------------------------------------------------


def bad_disks(trials: Trials, what: str) -> Tally:
    """Errors of the system at every event that writes."""
    tally = Tally(f"ENOSPC or EROFS from any event of a {what} on, EIO at any")
    for number, event in trials.undisturbed(COMMANDS[what]).events("parent", trials.full):
        for kind in ("no space", "read only", "broken disk"):

            def outcome(kind: str = kind, number: int = number) -> str:
                where = trials.folder()
                result = trials.call([*COMMANDS[what], "out"], where, Fault(kind, number))
                assert result.code in (0, 2), f"exit code {result.code}: {result.output}"
                trials.continues(COMMANDS[what], where)
                told = "said in a line" if result.code else "not needed"
                return f"{told}, continued bit for bit"

            tally.check(f"{kind}: {case(event, number)}", outcome)
    return tally


class MountError(Exception):
    """A fault that cannot be made on this machine."""


@contextmanager
def small_disk(kilobytes: int) -> Iterator[Path]:
    """A disk of that size, in memory. Raises MountError."""
    with tempfile.TemporaryDirectory() as point:
        size = f"size={kilobytes}k"
        mount("-t", "tmpfs", "-o", size, "tmpfs", point)
        try:
            yield Path(point)
        finally:
            subprocess.run(["umount", "--lazy", point], check=True)


def mount(*arguments: str) -> None:
    """Mount. Raises MountError."""
    try:
        subprocess.run(["mount", *arguments], check=True, capture_output=True)
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        raise MountError(f"mounting is not allowed here: {error}") from None


def full_disks(trials: Trials) -> Tally:
    """Real disks of every size up to what a run needs, which then grow."""
    tally = Tally("a real disk (tmpfs) that is full after 4 kB to all that a run needs")
    for kilobytes in range(4, 164, 8 if trials.full else 40):

        def outcome(kilobytes: int = kilobytes) -> str:
            with small_disk(kilobytes) as where:
                result = trials.call([*RUN, "out"], where)
                assert result.code in (0, 2), f"exit code {result.code}: {result.output}"
                mount("-o", "remount,size=4m", str(where))
                trials.continues(RUN, where)
                told = "said in a line" if result.code else "enough space"
                return f"{told}, continued bit for bit"

        tally.check(f"{kilobytes} kB", outcome)
    return tally


def read_only(trials: Trials) -> Tally:
    """Real read-only mounts of nothing, a stopped, a finished run, and a finished study."""
    tally = Tally("a real read-only mount of nothing, a stopped and a finished run, and a study")
    begun = {"nothing": None, "stopped": stopped(trials), "finished": trials.undisturbed(RUN).where}
    subjects = [(name, RUN, folder) for name, folder in begun.items()]
    subjects.append(("finished study", STUDY, trials.undisturbed(STUDY).where))
    for name, command, folder in subjects:

        def outcome(command: Sequence[str] = command, folder: Path | None = folder) -> str:
            with small_disk(4000) as where:
                if folder is not None:
                    copy(folder, where)
                before = precious(where)
                mount("-o", "remount,ro", str(where))
                result = trials.call([*command, "out"], where)
                if result.code:
                    assert "Error: " in result.output
                assert result.code in (0, 2), f"exit code {result.code}: {result.output}"
                assert precious(where) == before
                mount("-o", "remount,rw", str(where))
                trials.continues(command, where)
                return "said in a line" if result.code else "read without writing"

        tally.check(name, outcome)
    return tally


# --- what stands in the folder -------------------------------------------------------------------


def stopped(trials: Trials) -> Path:
    """The folder around ``out`` with a run that SIGTERM stopped halfway."""
    events = list(trials.undisturbed(RUN).events("parent", True))
    first = next(n for n, event in events if "checkpoint" in event.path)
    where = trials.folder()
    result = trials.call([*RUN, "out"], where, Fault("signal", first, value=signal.SIGTERM))
    assert result.code == 143, result.output
    return where


def judged(
    trials: Trials,
    command: Sequence[str],
    where: Path,
    harmless: str = "harmless",
    named: str | None = None,
) -> str:
    """What ``command`` makes of a folder that somebody changed.

    It must refuse in a line (which holds ``named``) and leave all as it was, or give the numbers of
    the undisturbed command.
    """
    before = precious(where)
    result = trials.call([*command, "out"], where)
    if result.code:
        said = one_line(result)
        assert not named or named in said or DIFFERS in said, f"{named} is not named: {said}"
        assert "delete" not in said, said
        after = precious(where)
        lost = [name for name, data in before.items() if after.get(name) != data]
        assert not lost, f"{said}: changed or gone: {lost}"
        return "refused in a line that names the file"
    reference = trials.undisturbed(command).where / "out"
    assert_same(content(where / "out"), content(reference), "")
    return harmless


def flips(trials: Trials, subject: str) -> Tally:
    """A flipped bit in every file of a stopped run, or of a finished one that is prolonged."""
    about = {"stopped": "that is continued", "finished": "that is prolonged"}[subject]
    tally = Tally(f"a flipped bit in every file of a {subject} run {about}")
    folder = stopped(trials) if subject == "stopped" else trials.undisturbed(RUN).where
    command = RUN if subject == "stopped" else LONGER
    chance = random.Random(0)
    for path in sorted(folder.rglob("*")):
        size = path.stat().st_size if path.is_file() else 0
        count = min(size, 40 if trials.full else 3)
        for i in range(count):
            at = size * i // count + chance.randrange(max(1, size // count))

            def outcome(path: Path = path, at: int = at) -> str:
                where = copy(folder, trials.folder())
                flipped = where / path.relative_to(folder)
                data = bytearray(flipped.read_bytes())
                data[at] ^= 1
                flipped.write_bytes(data)
                return judged(trials, command, where, named=path.name)

            tally.check(f"byte {at} of {path.relative_to(folder)}", outcome)
    return tally


def missing(trials: Trials, subject: str) -> Tally:
    """Every file and folder is deleted, one at a time."""
    about = {"stopped": "that is continued", "finished": "that is prolonged"}[subject]
    tally = Tally(f"each file or folder of a {subject} run {about} is missing, or empty")
    folder = stopped(trials) if subject == "stopped" else trials.undisturbed(RUN).where
    command = RUN if subject == "stopped" else LONGER
    for path in sorted((folder / "out").rglob("*")):
        for how in ("missing", "empty"):

            def outcome(path: Path = path, how: str = how) -> str:
                where = copy(folder, trials.folder())
                gone = where / path.relative_to(folder)
                if gone.is_dir():
                    for part in gone.iterdir():
                        part.unlink()
                    if how == "missing":
                        gone.rmdir()
                elif how == "missing":
                    gone.unlink()
                else:
                    gone.write_bytes(b"")
                return judged(trials, command, where, "replaced bit for bit")

            tally.check(f"{path.relative_to(folder)} {how}", outcome)
    return tally


def links(trials: Trials) -> Tally:
    """Links and pipes where a run has its files."""
    tally = Tally("links elsewhere, dangling links and FIFOs where a run has its files")
    names = [".lock", "run.json", "checkpoint.pt", "records", "probes", "samples", "final.csv"]
    for begun in ("new", "stopped", "finished"):
        folder = {
            "new": lambda: None,
            "stopped": lambda: stopped(trials),
            "finished": lambda: trials.undisturbed(RUN).where,
        }[begun]()
        for name in names:
            for kind in ("file", "folder", "dangling", "FIFO", "its own"):

                def outcome(
                    name: str = name,
                    kind: str = kind,
                    folder: Path | None = folder,
                    begun: str = begun,
                ) -> str:
                    where = trials.folder()
                    if folder is not None:
                        copy(folder, where)
                    out, elsewhere = where / "out", where / "elsewhere"
                    out.mkdir(exist_ok=True)
                    elsewhere.mkdir()
                    (elsewhere / "round-00000009.parquet").write_text("precious")
                    (elsewhere / "file").write_text("precious")
                    own = out / name
                    if own.exists():
                        own.rename(elsewhere / "own")
                    if kind == "FIFO":
                        os.mkfifo(own)
                    else:
                        target = {"folder": ".", "dangling": "none", "its own": "own"}
                        own.symlink_to(Path("..", "elsewhere", target.get(kind, kind)))
                    before = precious(elsewhere)
                    command = LONGER if begun == "finished" else RUN
                    result = trials.call([*command, "out"], where)
                    assert result.code in (0, 2), f"exit code {result.code}: {result.output}"
                    assert precious(elsewhere) == before, "something was written elsewhere"
                    if result.code:
                        one_line(result)
                        return "refused in a line"
                    reference = trials.undisturbed(command).where / "out"
                    assert_same(content(out), content(reference), "")
                    return "trained beside them, the same numbers"

                tally.check(f"{begun}: {name} as {kind}", outcome)
    return tally


NAMES: list[bytes] = [
    *(
        b"x[1]",
        b"a*b",
        b"what?",
        b"[bold]",
        b"[/]",
        b"{a}",
        b"two words",
        b" ",
        b"-x",
        b"~",
        b"$HOME",
    ),
    *(
        b"a:b",
        b"a=b",
        b"a,b",
        b"a%20b",
        b"#1",
        b"'",
        b'"',
        b"back\\slash",
        b"tab\t",
        b"line\nbreak",
    ),
    *("größe".encode(), "🙂".encode(), b"\xff\xfe", b"n" * 255, b"n" * 256, b"a.tmp", b".hidden"),
    *(b"method=x", b"seeds=0", b"records", b"nul\x01"),
]


def names(trials: Trials) -> Tally:
    """Folders of runs and studies with every kind of name, with a sibling that patterns match."""
    tally = Tally("hostile names of the folder (patterns, markup, not UTF-8, too long, …)")
    for what, command in COMMANDS.items():
        reference = trials.undisturbed(command)
        for name in NAMES if trials.full or what == "run" else NAMES[::6]:

            def outcome(
                name: bytes = name,
                command: Sequence[str] = command,
                reference: object = reference,
            ) -> str:
                where = trials.folder()
                copy(stopped(trials) / "out", where / "x1")  # which x[1] matches
                before = precious(where / "x1")
                text = os.fsdecode(name)
                arguments = [*command[:-1], f"--out={text}"]
                for _ in range(2):
                    result = trials.call(arguments, where)
                    assert precious(where / "x1") == before
                    if result.code:
                        said = result.output.strip()
                        assert result.code == 2, f"exit code {result.code}: {said}"
                        assert len(said.splitlines()) <= 1 + text.count("\n"), said
                        assert sorted(p.name for p in where.iterdir()) == ["x1"]
                        return "refused in a line"
                    found = content(where / text)
                    assert_same(found, content(reference.where / "out"), "")
                return "the same numbers, twice"

            tally.check(repr(name[:20]), outcome)
    return tally


def two_writers(trials: Trials) -> Tally:
    """A second command in a folder while the first one is stopped at an event of it."""
    tally = Tally("a second writer at every event of the first")
    for what, command in COMMANDS.items():
        events = list(trials.undisturbed(command).events("parent", True))
        lock = next(n for n, event in events if event.name == "fcntl.flock")
        for number, event in events[lock :: 1 if trials.full else 8]:

            def outcome(command: Sequence[str] = command, number: int = number) -> str:
                where = trials.folder()
                fault = Fault("signal", number, value=signal.SIGSTOP)
                first = trials.start([*command, "out"], where, fault)
                try:
                    wait_until(lambda: is_stopped(first.pid))
                    second = trials.call([*command, "out"], where)
                finally:
                    os.kill(first.pid, signal.SIGCONT)
                result = first()
                assert result.code == 0, result.output
                reference = trials.undisturbed(command).where / "out"
                assert_same(content(where / "out"), content(reference), "")
                if second.code == 0:  # The first has trained and only tells what it has found.
                    assert command is RUN, "a study keeps its lock to the end"
                    return "the second read the finished run, the first undisturbed"
                said = one_line(second)
                assert "another process is writing" in said, said
                return "the second refused in a line, the first undisturbed"

            tally.check(f"{what}: {case(event, number)}", outcome)
    return tally


def is_stopped(pid: int) -> bool:
    """Whether a process has been stopped by SIGSTOP."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


FAULTS: dict[str, Callable[[Trials], Tally]] = {
    "kills of a run": lambda trials: kills(trials, "run"),
    "kills of a study": lambda trials: kills(trials, "study"),
    "kills of a worker": killed_workers,
    "signals to a run": lambda trials: signals(trials, "run"),
    "signals to a study": lambda trials: signals(trials, "study"),
    "bad disk under a run": lambda trials: bad_disks(trials, "run"),
    "bad disk under a study": lambda trials: bad_disks(trials, "study"),
    "full disk": full_disks,
    "read-only disk": read_only,
    "two writers": two_writers,
    "clocks": clocks,
    "flips, stopped": lambda trials: flips(trials, "stopped"),
    "flips, finished": lambda trials: flips(trials, "finished"),
    "missing, stopped": lambda trials: missing(trials, "stopped"),
    "missing, finished": lambda trials: missing(trials, "finished"),
    "links": links,
    "names": names,
}


def main() -> None:
    """Try every case of the faults named on the command line, or of all; print the table."""
    torch.set_num_threads(1)
    failures: list[str] = []
    rows: list[Row] = []
    chosen = sys.argv[1:] or list(FAULTS)
    with tempfile.TemporaryDirectory() as root:
        os.environ["VRAL_CACHE"] = str(Path(root, "cache"))
        trials = Trials(Path(root), full=not os.environ.get("QUICK"))
        for name in chosen:
            try:
                tally = FAULTS[name](trials)
            except MountError as error:
                rows.append(Row(name, 0, f"skipped: {error}"))
                continue
            rows.append(tally.as_row())
            failures += tally.failures
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
            for failure in tally.failures:
                print(failure[:1500], "\n", file=sys.stderr, flush=True)
    print("| fault | cases | what happened |\n|---|---|---|")
    for row in rows:
        print(f"| {row.fault} | {row.cases:,} | {row.outcomes} |")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
