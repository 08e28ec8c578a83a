"""What plays plans: as they stand, or compiled."""

from collections.abc import Sequence

from vral import signals
from vral.errors import one_line
from vral.train.compile import compile_program
from vral.train.plan import Plan, Prepare, Program, Steps, program_of
from vral.train.state import TrainState
from vral.types import Draw, Move


class Executor:
    """Gives every plan its program, made when the plan is first played.

    ``longest`` is the largest number of D updates that a plan should hold. With ``to_compile``,
    steps that compute the same in a form that suits a compiler, programs are compiled.
    """

    def __init__(
        self,
        steps: Steps,
        prepare: Prepare,
        longest: int,
        to_compile: Steps | None = None,
    ):
        self.steps, self.prepare = steps, prepare
        self.longest, self.to_compile = longest, to_compile
        self.failure: str | None = None
        """Why nothing is compiled although it should be."""
        self._programs: dict[Plan, Program] = {}

    @property
    def compiled(self) -> bool:
        """Whether programs are compiled."""
        return self.to_compile is not None and self.failure is None

    def plan(self, moves: Sequence[Move], due: Sequence[bool]) -> Plan:
        """``moves`` with readings where they are ``due``.

        A compiled plan takes them everywhere or nowhere: they are nearly free there, and every
        further pattern would have to be compiled.
        """
        if self.compiled:
            due = [any(due)] * len(due)
        return tuple(zip(moves, due, strict=True))

    def program(self, plan: Plan, state: TrainState, draws: Sequence[Draw]) -> Program:
        """The program of ``plan``; ``state`` and ``draws`` show a compiler the shapes."""
        if plan not in self._programs:
            self._programs[plan] = self._make(plan, state, draws)
        return self._programs[plan]

    def _make(self, plan: Plan, state: TrainState, draws: Sequence[Draw]) -> Program:
        plain = program_of(self.steps, self.prepare, plan)
        if self.to_compile is None or self.failure is not None:
            return plain
        try:
            with signals.blocked():  # They would kill a compiler's processes: no failure of it.
                return compile_program(
                    program_of(self.to_compile, self.prepare, plan), state, draws
                )
        except Exception as error:  # Whatever a compiler may say, the run goes on without it.
            self.failure = one_line(error)
            return plain
