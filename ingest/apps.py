from django.apps import AppConfig


class IngestConfig(AppConfig):
    name = "ingest"
    verbose_name = "Metrics"

    def ready(self) -> None:
        from ingest.metrics import MissingDays, NewestDay
        from myhealth.metrics import at_scrape

        at_scrape += [NewestDay(), MissingDays()]
