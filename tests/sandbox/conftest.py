from tests.oura.conftest import at_oura

__all__ = ["at_oura"]
