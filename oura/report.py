"""What a run of the collector came to: counts by type, and what went wrong."""

from dataclasses import asdict, dataclass, field

from oura.plan import Plan


@dataclass
class Tally:
    fetched: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    failed: int = 0


@dataclass
class Problem:
    """What went wrong, in a sentence. `known`: an earlier run has reported the same."""

    user: str | None
    type: str
    error: str
    kind: str
    known: bool = False


@dataclass
class Report:
    """`plans` has, for each person, what is due of each type; only a run that shows it fills it."""

    dry_run: bool = False
    tallies: dict[str, Tally] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    plans: list[tuple[str | None, dict[str, Plan]]] = field(default_factory=list)

    @property
    def new_problems(self) -> list[Problem]:
        return [problem for problem in self.problems if not problem.known]

    @property
    def status(self) -> str:
        """ok, partial, or failed when nothing at all came through; known problems don't count."""
        if not self.new_problems:
            return "ok"
        return "partial" if any(self._came(tally) for tally in self.tallies.values()) else "failed"

    def _came(self, tally: Tally) -> int:
        """The days that came all the way, which a dry run ends at Oura."""
        return tally.fetched if self.dry_run else tally.created + tally.updated + tally.unchanged

    def add(self, other: "Report") -> None:
        """Add what another person's collection came to."""
        self.problems += other.problems
        self.plans += other.plans
        for type_, tally in other.tallies.items():
            sums = self.tallies.setdefault(type_, Tally())
            for name, count in asdict(tally).items():
                setattr(sums, name, getattr(sums, name) + count)
