from django.apps import AppConfig
from django.core import checks


class IngestConfig(AppConfig):
    name = "ingest"
    verbose_name = "Data"

    def ready(self) -> None:
        from ingest.checks import check_metric_types
        from ingest.prometheus import MissingDays, NewestDay
        from myhealth.prometheus import at_scrape

        checks.register(check_metric_types)
        at_scrape += [NewestDay(), MissingDays()]
