"""The result of a run of the collector: counts by type, and what went wrong."""

from dataclasses import asdict, dataclass, field

from oura.plan import Plan


@dataclass
class Tally:
    """How many days of a type were fetched from Oura, and what the processor did with them.

    `warnings` are days that were stored without a value that is not valid.
    """

    fetched: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    warnings: int = 0
    failed: int = 0


@dataclass
class Problem:
    """What went wrong, in a sentence. `is_repeat`: an earlier run has reported the same."""

    user: str | None
    type: str
    error: str
    kind: str
    is_repeat: bool = False


@dataclass
class Report:
    """`plans` has each person's plan by type; only a run with `plan_only` fills it.

    `is_cut_short`: the person ended the collection, by deleting what it is for.
    """

    dry_run: bool = False
    tallies: dict[str, Tally] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    plans: list[tuple[str | None, dict[str, Plan]]] = field(default_factory=list)
    is_cut_short: bool = False

    @property
    def new_problems(self) -> list[Problem]:
        return [problem for problem in self.problems if not problem.is_repeat]

    @property
    def status(self) -> str:
        """`ok`, `partial`, or `failed` if no day was collected; repeated problems don't count."""
        if not self.new_problems:
            return "ok"
        return "partial" if any(map(self._days_collected, self.tallies.values())) else "failed"

    def _days_collected(self, tally: Tally) -> int:
        """Return how many days were stored, or, in a dry run, fetched."""
        return tally.fetched if self.dry_run else tally.created + tally.updated + tally.unchanged

    def add(self, other: "Report") -> None:
        """Add the report of another account."""
        self.problems += other.problems
        self.plans += other.plans
        for type_, tally in other.tallies.items():
            sums = self.tallies.setdefault(type_, Tally())
            for name, count in asdict(tally).items():
                setattr(sums, name, getattr(sums, name) + count)
