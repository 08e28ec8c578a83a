"""Ratios as text and as schedules: tuples of moves, a move being the players who update together.

``50`` and ``50:1`` are fifty D updates per G update, ``1:4`` one D update per four of G, ``5:2``
five of D and then two of G.
``100x25,5`` is a hundred for the first 25 rounds, then five; the last segment has no end.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from vral.types import Move

DiscriminatorSide = Callable[[int], Sequence[Move]]
"""Maps a number of D updates to the moves of D's side of a round."""

SEGMENT = re.compile(r"(?P<d>[0-9]+)(?::(?P<g>[0-9]+))?(?:x(?P<rounds>[0-9]+))?")
LARGEST = 100_000
ALLOWED = "a whole number k (k:1), 1:k, n:m, or a schedule such as 100x25,5"


@dataclass(frozen=True)
class Ratio:
    """Segments of (D updates, G updates, rounds); the last one's rounds are None."""

    segments: tuple[tuple[int, int, int | None], ...]

    @classmethod
    def parse(cls, text: str) -> "Ratio":
        """Raises ValueError, naming what is allowed."""
        segments = []
        pieces = text.strip().split(",")
        for i, piece in enumerate(pieces):
            match = SEGMENT.fullmatch(piece.strip())
            last = i == len(pieces) - 1
            if not match or (match["rounds"] is None) != last:
                raise ValueError(f"{text!r} is not a ratio; allowed: {ALLOWED}")
            d, g = int(match["d"]), int(match["g"] or 1)
            rounds = int(match["rounds"]) if match["rounds"] else None
            if min(d, g) < 1 or rounds == 0:
                raise ValueError(f"{text!r} is not a ratio; allowed: {ALLOWED}, none of them zero")
            if max(d, g) > LARGEST:
                raise ValueError(f"{text!r} is too large a ratio; allowed: up to {LARGEST}")
            segments.append((d, g, rounds))
        return cls(tuple(segments))

    def __str__(self) -> str:
        def piece(d: int, g: int, rounds: int | None) -> str:
            return f"{d}{'' if g == 1 else f':{g}'}{'' if rounds is None else f'x{rounds}'}"

        return ",".join(piece(*segment) for segment in self.segments)

    def at(self, number: int) -> tuple[int, int]:
        """(D updates, G updates) of a round, counted from 0."""
        for d, g, rounds in self.segments:
            if rounds is None or number < rounds:
                return d, g
            number -= rounds
        raise AssertionError("the last segment has no end")

    def totals(self, rounds: int) -> tuple[int, int]:
        """(D updates, G updates) of the first ``rounds`` rounds."""
        d_updates = g_updates = 0
        for d, g, length in self.segments:
            span = rounds if length is None else min(rounds, length)
            d_updates, g_updates, rounds = d_updates + span * d, g_updates + span * g, rounds - span
        return d_updates, g_updates


def ratio_list(text: str) -> list[str]:
    """Several ratios, separated by blanks, or by commas where none of them is a schedule."""
    pieces = text.split() if " " in text.strip() or "x" in text else text.split(",")
    return list(dict.fromkeys(str(Ratio.parse(piece)) for piece in pieces))


def alternating(k: int) -> Sequence[Move]:
    """k updates of D alone."""
    return (("D",),) * k


def runs_of_moves(moves: Sequence[Move], longest: int) -> list[list[Move]]:
    """A round cut into runs, each of which one program plays.

    Every move of G is a run of its own. D's side is cut into runs of equally many updates of D, at
    most ``longest``; a move of another player that would come more often than that in one run
    begins the next.
    """
    runs: list[list[Move]] = []
    for has_g, group in groupby(moves, key=lambda move: "G" in move):
        side = list(group)
        if has_g:
            runs += [[move] for move in side]
            continue
        count = sum("D" in move for move in side) or 1
        size = max(n for n in range(1, longest + 1) if count % n == 0)
        run: list[Move] = []
        for move in side:
            full = sum("D" in held for held in run) == size
            if run and (full or run.count(move) == size):
                runs.append(run)
                run = []
            run.append(move)
        runs.append(run)
    return runs


PLAYS = ("D-first", "G-first", "simultaneous")


def round_moves(
    ratio: Ratio, number: int, side: DiscriminatorSide = alternating, play: str = "D-first"
) -> list[Move]:
    """The moves of round ``number``: D's side and G's updates in the order of ``play``.

    In simultaneous play, which needs the ratio 1:1, all players of a round move at once.
    """
    d, g = ratio.at(number)
    if play == "simultaneous":
        return [(*dict.fromkeys(player for move in side(d) for player in move), "G")]
    moves = [*side(d)], [("G",)] * g
    return [*moves[0], *moves[1]] if play == "D-first" else [*moves[1], *moves[0]]
