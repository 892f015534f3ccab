"""The interface keeps what its OpenAPI description promises."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from tests.serving.running import serving


@pytest.fixture(scope="module")
def described(index):
    with serving(index, request_seconds=60.0) as running:
        yield schemathesis.openapi.from_url(f"{running.url}/openapi.json")


def hold(described, examples):
    """Ask every route with made-up requests, valid and invalid; answers must be as they are described."""
    routes = 0
    for each in described.get_all_operations():

        @settings(
            max_examples=examples,
            deadline=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=each.ok().as_strategy())
        def answered(case):
            # A schema cannot say that a picture must show something, or a stroke as many x as y.
            case.call_and_validate(timeout=60, excluded_checks=[schemathesis.checks.positive_data_acceptance])

        answered()
        routes += 1
    assert routes == 5


def test_a_few_examples_of_every_route(described):
    hold(described, 15)


@pytest.mark.slow
def test_many_examples_of_every_route(described):
    hold(described, 300)


def test_every_route_is_described_with_its_problems(server):
    told = server.client.get("/openapi.json").json()
    assert set(told["paths"]) == {"/search", "/explain", "/photos/{photo}", "/health", "/metrics"}
    search = told["paths"]["/search"]["post"]
    assert set(search["requestBody"]["content"]) == {"application/json", "multipart/form-data", "image/*"}
    for status in ("413", "415", "422", "503"):
        content = search["responses"][status]["content"]["application/json"]
        assert content["schema"]["$ref"].endswith("/Problem")
    drawing = search["requestBody"]["content"]["application/json"]["schema"]
    assert drawing["properties"]["strokes"]["examples"]
    for route in told["paths"].values():
        for operation in route.values():
            assert operation["summary"]
