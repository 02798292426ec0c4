"""The units in which pages show values: those that the person prefers."""

from typing import NamedTuple

from metrics.columns import Column
from metrics.measures import Measure
from myhealth import preferences

_METRES = {"m": 1, "km": 1000}
_METRES_PER_UNIT = {preferences.KILOMETRES: 1000, preferences.MILES: 1609.344}
_DECIMALS_OF_DISTANCE = 1
# Further decimals come from computing with binary fractions.
_EXACT = 9


class Unit(NamedTuple):
    """A unit, and how a stored value is shown in it: times the factor, plus the offset."""

    name: str
    decimals: int
    factor: float = 1
    offset: float = 0

    def shown(self, value: float) -> float:
        """Return the value in this unit."""
        if self.factor == 1:
            return value
        return round(value * self.factor + self.offset, _EXACT)

    def stored(self, value: float) -> float:
        """Return the stored value that is shown as this one."""
        return (value - self.offset) / self.factor


def shown_unit(column: Column | Measure) -> Unit:
    """Return the unit in which a column's values are shown.

    A signed temperature is a difference between two, so that 0 stays 0.
    """
    unit, decimals = column.unit, column.shown_decimals
    wanted = preferences.active()
    if unit == preferences.CELSIUS and wanted.temperature_unit == preferences.FAHRENHEIT:
        return Unit(preferences.FAHRENHEIT, decimals, 1.8, 0 if column.signed else 32)
    if unit in _METRES and unit != wanted.distance_unit:
        factor = _METRES[unit] / _METRES_PER_UNIT[wanted.distance_unit]
        return Unit(wanted.distance_unit, max(decimals, _DECIMALS_OF_DISTANCE), factor)
    return Unit(unit, decimals)
