import pytest
from django.test import Client


@pytest.fixture
def staff(ben):
    ben.is_staff = True
    ben.save()
    client = Client(REMOTE_ADDR="198.51.100.7")
    client.force_login(ben)
    return client


@pytest.fixture
def admin(staff, ben):
    ben.is_superuser = True
    ben.save()
    return staff
