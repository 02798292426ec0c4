from django.apps import AppConfig
from django.conf import settings


class OuraConfig(AppConfig):
    name = "oura"
    verbose_name = "Oura"

    def ready(self) -> None:
        if settings.SERVICE == "api":
            from myhealth.prometheus import at_scrape
            from oura.prometheus import ConnectionsCollector

            at_scrape.append(ConnectionsCollector())
