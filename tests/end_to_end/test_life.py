"""Whatever may happen to a person's days, in any order: the ledger stays the truth."""

from datetime import timedelta

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from ingest.upsert import delete_metrics
from sandbox.oddities import KINDS
from tests.end_to_end.life import COLLECTIONS, FAULTS, RANGES, TIMES, Dying
from tests.scale import scaled

collections = st.sampled_from(COLLECTIONS)
ago = st.integers(0, 40).map(lambda days: timedelta(days=days))
naps = st.sampled_from(["rest", "sleep", "deleted", "late_nap"])


def machine(life):
    class Days(RuleBasedStateMachine):
        """Steps that take place between one morning and the next, and mornings."""

        @initialize()
        def begin(self):
            delete_metrics(life.user.pk)
            life.begin()
            life.wake()
            self.is_told = False

        @rule(days=st.integers(1, 20))
        def days_go_by(self, days):
            for _ in range(days):
                life.wake()

        @rule()
        def a_morning_and_a_run(self):
            life.wake()
            self.run()

        @rule()
        def run(self):
            life.collect()
            self.is_told = True

        @rule()
        def repair(self):
            life.collect(repair=True)
            self.is_told = True

        @rule()
        def read_all(self):
            life.collect(everything=True)
            self.is_told = True

        @rule(requests=st.integers(1, 20), after=st.booleans())
        def a_run_that_is_killed(self, requests, after):
            life.collect(Dying(requests, after))
            self.is_told = True

        @rule(collection=collections, ago=ago)
        def a_day_is_not_synced_yet(self, collection, ago):
            life.change("remove", collection, life.today - ago)

        @rule(collection=collections, ago=ago)
        def a_day_is_synced_late(self, collection, ago):
            life.change("restore", collection, life.today - ago)

        @rule(collection=collections, ago=ago, new_id=st.booleans())
        def a_day_is_recomputed(self, collection, ago, new_id):
            life.change("recompute", collection, life.today - ago, new_id=new_id)

        @rule(ago=ago, kind=naps)
        def a_nap_is_found_confirmed_or_deleted(self, ago, kind):
            life.nap(life.today - ago, kind)

        @rule(ago=ago, deleted=st.booleans())
        def a_night_is_deleted(self, ago, deleted):
            life.delete_periods(life.today - ago, deleted)

        @rule(
            kind=st.sampled_from(FAULTS),
            times=st.sampled_from(TIMES),
            path=st.none() | collections,
        )
        def oura_fails(self, kind, times, path):
            life.fault(kind, times, path)

        @rule(collection=collections, ago=ago, kind=st.none() | st.sampled_from(sorted(KINDS)))
        def a_day_is_odd(self, collection, ago, kind):
            life.odd(collection, life.today - ago, kind)

        @rule(max_days=st.sampled_from(RANGES), status=st.sampled_from([400, 422, 500]))
        def oura_takes_only_so_many_days(self, max_days, status):
            life.limit(max_days, status)

        @rule()
        def the_membership_lapses(self):
            life.lapse()

        @rule()
        def all_is_well_again(self):
            life.calm()

        @invariant()
        def the_ledger_is_the_truth(self):
            if self.is_told:
                life.check()
                self.is_told = False

        def teardown(self):
            life.calm()
            life.restore_all()
            life.wake()
            life.collect(repair=True)
            life.check()
            assert life.held() == life.there()

    return Days


def test_ledger_is_true_whatever_happens(life):
    run_state_machine_as_test(
        lambda: machine(life)(),
        settings=settings(
            max_examples=scaled(4, 5),
            stateful_step_count=scaled(24, 50),
            # Looking for a shorter failure takes longer than reading this one.
            phases=[Phase.generate],
            derandomize=True,
            print_blob=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
