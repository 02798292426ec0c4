"""The people of the sandbox. What is theirs derives from the seed and their name."""

from dataclasses import dataclass, field, replace
from functools import lru_cache

from sandbox.chance import identifier, rng


@dataclass(frozen=True, slots=True)
class Traits:
    """What makes a person's figures theirs. Offsets in minutes east of UTC."""

    sex: str
    age: int
    weight: float
    height: float
    offset: int
    summer_time: str = ""
    # Hours of sleep that they need, and minutes after 18:00 at which they go to bed.
    need: float = 7.8
    bedtime: int = 290
    resting_heart_rate: float = 55.0
    hrv: float = 50.0
    steps: int = 8500
    # Monday is 0.
    training: tuple[int, ...] = (1, 3, 5)
    sport: str = "running"
    # How likely a night without the ring is, and a holiday without it in half a year.
    careless: float = 0.02
    ringless: float = 0.7
    naps: float = 0.1


@dataclass(frozen=True, slots=True)
class Person:
    """Equal when seed and name are: all else follows from them."""

    seed: str
    name: str
    user_id: str = field(compare=False)
    access_token: str = field(compare=False, repr=False)
    traits: Traits = field(compare=False)


TRAITS = {
    "demo": Traits("female", 34, 66.0, 1.71, 60, "europe", careless=0.01, ringless=0.5),
    "ana": Traits("female", 29, 58.5, 1.65, 60, "europe", 8.1, 330, 58, 62, 10500, (0, 2, 4)),
    "ben": Traits("male", 41, 84.0, 1.83, -300, "us", 7.2, 270, 52, 38, 7200, (5, 6), "cycling"),
    "chloe": Traits("female", 52, 71.0, 1.68, 0, "europe", 7.5, 240, 61, 29, 6400, (2,), "yoga"),
    "dev": Traits("male", 26, 69.5, 1.76, 330, "", 7.0, 400, 57, 71, 5600, (6,), "badminton"),
    "emi": Traits("female", 37, 52.0, 1.59, 540, "", 6.8, 360, 54, 55, 9100, (1, 3), "swimming"),
    "femi": Traits("male", 45, 92.0, 1.88, 60, "", 7.4, 300, 63, 33, 7800, (0, 4), careless=0.06),
    "greta": Traits("female", 68, 63.0, 1.62, -480, "us", 7.9, 230, 59, 24, 8900, (0, 1, 2, 3, 4)),
}
# Whom `/v2/sandbox/usercollection/` shows; no token leads there.
STRANGER = Traits("male", 31, 75.0, 1.79, 0)


@lru_cache(maxsize=16)
def people(seed: str) -> dict[str, Person]:
    """All people with an access token, by name; `demo` first."""
    return {name: make(seed, name, traits) for name, traits in TRAITS.items()}


@lru_cache(maxsize=16)
def members(seed: str) -> dict[str, Person]:
    """A hundred more, member1 to member100, for trying out many at once."""
    return {
        f"member{number}": make(seed, f"member{number}", member_traits(number))
        for number in range(1, 101)
    }


def member_traits(number: int) -> Traits:
    """Those of one of the named people, but of another age and weight, more or less active."""
    patterns = list(TRAITS.values())
    like = patterns[number % len(patterns)]
    weight, steps = like.weight + number % 9, like.steps - 40 * (number % 50)
    return replace(like, age=20 + number % 51, weight=weight, steps=steps)


@lru_cache(maxsize=16)
def everyone(seed: str) -> dict[str, Person]:
    """The named people and the hundred more."""
    return people(seed) | members(seed)


@lru_cache(maxsize=16)
def stranger(seed: str) -> Person:
    return make(seed, "stranger", STRANGER)


def make(seed: str, name: str, traits: Traits) -> Person:
    token = rng(seed, name, "token").randbytes(20).hex()
    user_id = identifier(seed, name, "user")
    return Person(seed, name, user_id, f"sandbox-{name}-{token}", traits)


def personal_info(person: Person) -> dict[str, object]:
    """Oura's personal_info: weight in kg, height in m."""
    traits = person.traits
    return {
        "id": person.user_id,
        "age": traits.age,
        "weight": traits.weight,
        "height": traits.height,
        "biological_sex": traits.sex,
        "email": f"{person.name}@example.org",
    }
