"""The demo's history, stored without a collector: as many days as a test of pages needs."""

from collections import defaultdict
from datetime import timedelta

from django.test import override_settings

from metrics import TYPES
from myhealth.days import Days, utc_today
from sandbox.store import documents_between
from tests.worlds import store_documents

# The most documents in a request to the processor, of which each has its source.
_BATCH = 400


def store_history(user, days):
    """Store the demo's last days, up to today, as the collector and the processor do."""
    today = utc_today()
    first = today - timedelta(days=days - 1)
    with override_settings(SANDBOX_DAYS=days, SANDBOX_TODAY=today):
        for name, metric_type in TYPES.items():
            by_day = defaultdict(lambda: defaultdict(list))
            for collection in metric_type.collections:
                for document in documents_between("demo", collection, first, today):
                    by_day[document["day"]][collection].append(document)
            mapped = [metric_type.map(day, by_day[day]) for day in sorted(by_day)]
            for start in range(0, len(mapped), _BATCH):
                store_documents(user, mapped[start : start + _BATCH], name)
    return Days(first, today)
