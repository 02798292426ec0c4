import functools

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password

PASSWORDS = {"ana": "correct horse battery", "ben": "another good password"}


@functools.cache
def hashed(name):
    """Hashing is slow on purpose, so once for all tests."""
    return make_password(PASSWORDS[name])


def person(name, password_of=None):
    password = hashed(password_of or name)
    return get_user_model().objects.create(username=name, password=password)


@pytest.fixture
def ana(db):
    return person("ana")


@pytest.fixture
def ben(db):
    return person("ben")
