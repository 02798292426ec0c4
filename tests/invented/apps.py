from django.apps import AppConfig


class InventedConfig(AppConfig):
    name = "tests.invented"

    def ready(self) -> None:
        from sandbox import registry
        from tests.invented.collections import COLLECTIONS

        registry.COLLECTIONS.update(COLLECTIONS)
