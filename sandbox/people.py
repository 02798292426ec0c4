"""The people of the sandbox. Their data derive from the seed and their name."""

from dataclasses import dataclass, field, replace
from functools import lru_cache

from sandbox.chance import rng, stable_uuid


@dataclass(frozen=True, slots=True)
class Traits:
    """Parameters that a person's data are generated from."""

    sex: str
    age: int
    weight: float  # kg
    height: float  # m
    offset: int  # Minutes east of UTC.
    summer_time: str = ""
    need: float = 7.8  # Hours of sleep.
    bedtime: int = 290  # Minutes after 18:00.
    resting_heart_rate: float = 55.0
    hrv: float = 50.0
    steps: int = 8500
    training: tuple[int, ...] = (1, 3, 5)  # Weekdays; Monday is 0.
    sport: str = "running"
    # Likelihoods of a night without the ring, and of a holiday without it in half a year.
    careless: float = 0.02
    ringless: float = 0.7
    naps: float = 0.1


@dataclass(frozen=True, slots=True)
class Person:
    """A person of the sandbox. Seed and name identify them; everything else follows from these."""

    seed: str
    name: str
    user_id: str = field(compare=False)
    access_token: str = field(compare=False, repr=False)
    traits: Traits = field(compare=False)


_TRAITS = {
    "demo": Traits("female", 34, 66.0, 1.71, 60, "europe", careless=0.01, ringless=0.5),
    "ana": Traits("female", 29, 58.5, 1.65, 60, "europe", 8.1, 330, 58, 62, 10500, (0, 2, 4)),
    "ben": Traits("male", 41, 84.0, 1.83, -300, "us", 7.2, 270, 52, 38, 7200, (5, 6), "cycling"),
    "chloe": Traits("female", 52, 71.0, 1.68, 0, "europe", 7.5, 240, 61, 29, 6400, (2,), "yoga"),
    "dev": Traits("male", 26, 69.5, 1.76, 330, "", 7.0, 400, 57, 71, 5600, (6,), "badminton"),
    "emi": Traits("female", 37, 52.0, 1.59, 540, "", 6.8, 360, 54, 55, 9100, (1, 3), "swimming"),
    "femi": Traits("male", 45, 92.0, 1.88, 60, "", 7.4, 300, 63, 33, 7800, (0, 4), careless=0.06),
    "greta": Traits("female", 68, 63.0, 1.62, -480, "us", 7.9, 230, 59, 24, 8900, (0, 1, 2, 3, 4)),
}
# The person behind `/v2/sandbox/usercollection/`, who has no token.
_OURA_SANDBOX_TRAITS = Traits("male", 31, 75.0, 1.79, 0)


@lru_cache(maxsize=16)
def named_people(seed: str) -> dict[str, Person]:
    """Return the eight people with a name, by name; `demo` is the first."""
    return {name: _make_person(seed, name, traits) for name, traits in _TRAITS.items()}


@lru_cache(maxsize=16)
def _members(seed: str) -> dict[str, Person]:
    """Return a hundred more people, member1 to member100, for tests with many accounts."""
    return {
        f"member{number}": _make_person(seed, f"member{number}", _member_traits(number))
        for number in range(1, 101)
    }


def _member_traits(number: int) -> Traits:
    """Return the traits of one of the named people with another age, weight and activity."""
    patterns = list(_TRAITS.values())
    like = patterns[number % len(patterns)]
    weight, steps = like.weight + number % 9, like.steps - 40 * (number % 50)
    return replace(like, age=20 + number % 51, weight=weight, steps=steps)


@lru_cache(maxsize=16)
def all_people(seed: str) -> dict[str, Person]:
    """Return the named people and the hundred members, by name."""
    return named_people(seed) | _members(seed)


@lru_cache(maxsize=16)
def oura_sandbox_person(seed: str) -> Person:
    return _make_person(seed, "stranger", _OURA_SANDBOX_TRAITS)


def _make_person(seed: str, name: str, traits: Traits) -> Person:
    token = rng(seed, name, "token").randbytes(20).hex()
    user_id = stable_uuid(seed, name, "user")
    return Person(seed, name, user_id, f"sandbox-{name}-{token}", traits)


def personal_info(person: Person) -> dict[str, object]:
    """Return the person's `personal_info` document: weight in kg, height in m."""
    traits = person.traits
    return {
        "id": person.user_id,
        "age": traits.age,
        "weight": traits.weight,
        "height": traits.height,
        "biological_sex": traits.sex,
        "email": f"{person.name}@example.org",
    }
