from django.apps import AppConfig


class IngestConfig(AppConfig):
    name = "ingest"
    verbose_name = "Metrics"

    def ready(self) -> None:
        from ingest.prometheus import MissingDays, NewestDay
        from myhealth.prometheus import at_scrape

        at_scrape += [NewestDay(), MissingDays()]
