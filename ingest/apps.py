from django.apps import AppConfig


class IngestConfig(AppConfig):
    name = "ingest"
    verbose_name = "Metrics"

    def ready(self) -> None:
        from ingest.metrics import NewestDay
        from myhealth.metrics import at_scrape

        at_scrape.append(NewestDay())
