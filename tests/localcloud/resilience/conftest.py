from collections.abc import Iterator

import pytest

from tests.e2e.checkout import Checkout
from tests.localcloud.resilience.service import Service


@pytest.fixture(scope="session")
def shared_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    checkout = Checkout(tmp_path_factory.mktemp("resilience"), engine=False)
    try:
        yield Service(checkout)
    finally:
        checkout.run("make local-reset YES=1")
        assert checkout.processes() == []


@pytest.fixture
def service(shared_service: Service) -> Iterator[Service]:
    """The service at rest, and left at rest for the next test."""
    shared_service.settled()
    yield shared_service
    shared_service.update(desiredCount=3)
    shared_service.settled()
