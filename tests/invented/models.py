from ingest.models import Metric, stores
from tests.invented.types import CAFFEINE, SNORING


@stores(CAFFEINE)
class CaffeineMetric(Metric):
    class Meta(Metric.Meta):
        db_table = "caffeine_metrics"
        verbose_name = verbose_name_plural = "caffeine"


@stores(SNORING)
class SnoringMetric(Metric):
    class Meta(Metric.Meta):
        db_table = "snoring_metrics"
        verbose_name = verbose_name_plural = "snoring"
