"""How long the long tests are: `small`, the default, or `full`, by TEST_SCALE.

`full` lives more days, tries more examples, takes longer histories, and runs the tests marked
`full_only`; it is what must pass before a change lands.
"""

import os

import pytest
from hypothesis import settings

SCALE = os.environ.get("TEST_SCALE") or "small"
if SCALE not in ("small", "full"):
    raise ValueError(f"TEST_SCALE must be small or full, not '{SCALE}'.")


def scaled(small, full):
    return full if SCALE == "full" else small


# Machines differ in speed, and are busy now and then: no example has a deadline.
_patient = settings(deadline=None, print_blob=True)
# Whether a change passes must not depend on luck, so all runs try the same examples.
for _name, _count in {"small": 25, "full": 150}.items():
    settings.register_profile(_name, _patient, max_examples=_count, derandomize=True, database=None)
# Looks for new examples, with `--hypothesis-profile=search`.
settings.register_profile("search", _patient, max_examples=1000)
settings.load_profile(SCALE)


full_only = pytest.mark.skipif(SCALE != "full", reason="It takes long: TEST_SCALE=full runs it.")
