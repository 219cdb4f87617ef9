import pytest

from simulations.world import PARTNERS, PRESETS, World, WorldConfig, generate


@pytest.fixture(scope="session")
def small() -> WorldConfig:
    return PRESETS["small"]


@pytest.fixture(scope="session")
def world(small: WorldConfig) -> World:
    return generate(small)


@pytest.fixture(scope="session")
def crowded() -> World:
    """A small world in which every kind of partner is present."""
    config = WorldConfig(
        users=300, songs=200, genres=6, scenes=2, languages=3, partners=tuple(PARTNERS.values())
    )
    return generate(config)
