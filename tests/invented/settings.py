"""The settings of myhealth, with the invented types added; for processes of the tests only."""

from metrics import TYPES
from tests.invented.types import INVENTED

TYPES.update(INVENTED)

from myhealth.settings import *  # noqa: E402, F403
from myhealth.settings import INSTALLED_APPS  # noqa: E402

INSTALLED_APPS = [*INSTALLED_APPS, "tests.invented"]
