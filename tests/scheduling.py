"""Which worker runs what, and when: so that none is still at work long after the others."""

from xdist.scheduler import LoadFileScheduling

# Real processes: what takes long begins first.
FIRST = ("tests/attacks/", "tests/end_to_end/", "tests/deploy/", "tests/myhealth/local/")
# Of these files any worker takes the next test: what they share, each worker has once anyway.
SPREAD = (
    "tests/end_to_end/test_accounting.py",
    "tests/end_to_end/test_browser.py",
    "tests/end_to_end/test_collecting.py",
    "tests/end_to_end/test_everyone.py",
    "tests/end_to_end/test_killed.py",
    "tests/end_to_end/test_make_run.py",
    "tests/end_to_end/test_openapi.py",
    "tests/end_to_end/test_pipeline.py",
    "tests/end_to_end/test_services.py",
    "tests/end_to_end/test_strange_nights.py",
    "tests/end_to_end/test_strange_owners.py",
    "tests/end_to_end/test_strange_ranges.py",
    "tests/end_to_end/test_strange_values.py",
    "tests/end_to_end/test_strange_wear.py",
    "tests/deploy/test_image.py",
    "tests/myhealth/local/test_embedded.py",
)
# These share one machine.
ON_A_RUNNING_MACHINE = (
    "tests/end_to_end/test_readme.py",
    "tests/end_to_end/test_running_machine.py",
)
# These share two services, and measure them: one worker runs all of them, one after another.
ATTACKS = "tests/attacks/"


class Scheduling(LoadFileScheduling):  # type: ignore[misc]
    """A worker gets whole files, and of some the single tests."""

    def _split_scope(self, nodeid):
        if nodeid.startswith(ON_A_RUNNING_MACHINE):
            return "on a running machine"
        if nodeid.startswith(ATTACKS):
            return ATTACKS
        return nodeid if nodeid.startswith(SPREAD) else super()._split_scope(nodeid)


def make(config, log):
    # The order of the collection, not the files with most tests first.
    config.option.loadscopereorder = False
    return Scheduling(config, log)


def order(items):
    """Put first what takes long; else the order stays."""
    items.sort(key=lambda item: not item.nodeid.startswith(FIRST))
