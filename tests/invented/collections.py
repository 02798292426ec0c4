"""The sandbox's collections of the invented types."""

from sandbox.chance import rng
from sandbox.days import format_local, in_drawer, midnight, utc_offset
from sandbox.registry import Collection
from tests.invented.types import SNORING


def daily_caffeine(person, day, revision, make_id):
    chance = rng(person.seed, person.name, "caffeine", day)
    if in_drawer(person, day) or chance.random() < 0.1:
        return []
    cup = midnight(day).replace(hour=chance.randint(8, 20))
    return [
        {
            "id": make_id(0),
            "day": day.isoformat(),
            "milligrams": chance.randint(0, 600),
            "body": {"balance": chance.randint(-100, 100)},
            "last_cup": format_local(cup, utc_offset(person, day)),
            "summary": chance.choice(["calm", "lively"]),
        }
    ]


def daily_snoring(person, day, revision, make_id):
    chance = rng(person.seed, person.name, "snoring", day)
    if in_drawer(person, day) or chance.random() < 0.1:
        return []
    began = midnight(day).replace(hour=chance.randint(0, 5))
    return [
        {
            "id": make_id(0),
            "day": day.isoformat(),
            "start": format_local(began, utc_offset(person, day)),
            "score": chance.randint(1, 100),
            "loudness": round(chance.gauss(50, 9), 1),
            "contributors": {
                "back": chance.randint(0, 3),
                "side": round(chance.uniform(1, 100), 1),
            },
        }
    ]


COLLECTIONS = {
    "daily_caffeine": Collection(daily_caffeine),
    "daily_snoring": Collection(daily_snoring, scope=SNORING.scope),
}
