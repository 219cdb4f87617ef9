import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.crypto.gradient_config import GROUP_ROWS, GradientConfig
from federation.crypto.he_ntt import PLAIN_MODULUS, SLOTS
from federation.errors import SettingError, SmallBatchError


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dim", 48),
        ("dim", 256),
        ("columns", 0),
        ("columns", 257),
        ("clip", 0.0),
        ("clip", float("nan")),
        ("clip", float("inf")),
        ("gradient_bits", 3),
        ("gradient_bits", 17),
        ("phi_bits", 1),
        ("phi_bits", 17),
        ("max_rows", 127),
        ("cache_bytes", -1),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(name: str, value: float) -> None:
    good: dict[str, float] = {"columns": 4, "clip": 1.0}

    with pytest.raises(SettingError, match=f"{name} is {value}"):
        GradientConfig(**{**good, name: value})  # type: ignore[arg-type]


def test_settings_whose_largest_sum_would_wrap_are_refused() -> None:
    fitting = GradientConfig(columns=4, clip=1.0, max_rows=8192)

    assert fitting.largest_sum == 8192 * 32767 * 2047 <= PLAIN_MODULUS // 2
    with pytest.raises(SettingError, match="max_rows=8320 with gradient_bits=16 and phi_bits=12"):
        GradientConfig(columns=4, clip=1.0, max_rows=8320)
    with pytest.raises(SettingError, match="phi_bits=16"):
        GradientConfig(columns=4, clip=1.0, phi_bits=16, max_rows=1024)


def test_a_batch_below_eight_users_a_column_is_refused_with_the_ways_out() -> None:
    config = GradientConfig(columns=32, clip=1.0)

    config.refuse_batch(256)
    with pytest.raises(SmallBatchError, match=r"255 users .* columns=32: .* needs 256") as refused:
        config.refuse_batch(255)
    for way_out in ("exchange.batch_groups", "encoder.width", "profile frozen"):
        assert way_out in str(refused.value)
    GradientConfig(columns=32, clip=1.0, noised=True).refuse_batch(128)


def test_a_batch_above_max_rows_is_refused() -> None:
    config = GradientConfig(columns=2, clip=1.0, max_rows=256)

    config.refuse_batch(256)
    with pytest.raises(SettingError, match="max_rows=256"):
        config.refuse_batch(257)


@settings(max_examples=25)
@given(
    clip=st.floats(0.01, 100.0),
    bits=st.integers(4, 16),
    scale=st.floats(1e-6, 1e6),
    seed=st.integers(0, 2**32 - 1),
)
def test_rows_are_clipped_to_the_norm_bound(
    clip: float, bits: int, scale: float, seed: int
) -> None:
    config = GradientConfig(columns=1, clip=clip, dim=32, gradient_bits=bits)
    rng = np.random.default_rng(seed)
    rows = (rng.normal(size=(1, GROUP_ROWS, 32)) * scale).astype(np.float32)

    fixed = config.fix_gradients(rows)

    step = clip / config.gradient_top
    norms = np.linalg.norm(rows.astype(np.float64), axis=2, keepdims=True)
    wanted = rows * np.minimum(1.0, clip / norms)
    assert np.abs(fixed * step - wanted).max() <= step * (0.5 + 1e-6)
    assert np.abs(fixed).max() <= config.gradient_top


def test_a_zero_row_stays_zero_and_a_row_of_the_clip_becomes_the_largest_integer() -> None:
    config = GradientConfig(columns=1, clip=0.25, dim=32)
    rows = np.zeros((1, GROUP_ROWS, 32), dtype=np.float32)
    rows[0, 1, 3] = -0.25
    rows[0, 2, 4] = 1000.0

    fixed = config.fix_gradients(rows)

    assert not fixed[0, 0].any()
    assert fixed[0, 1, 3] == -32767
    assert fixed[0, 2, 4] == 32767


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_gradient_that_is_not_finite_is_refused_with_its_place(bad: float) -> None:
    rows = np.zeros((2, GROUP_ROWS, 64), dtype=np.float32)
    rows[1, 5, 7] = bad

    with pytest.raises(SettingError, match=r"\(1, 5, 7\)"):
        GradientConfig(columns=1, clip=1.0).fix_gradients(rows)


@pytest.mark.parametrize("shape", [(128, 64), (1, 128, 32), (1, 100, 64)])
def test_gradients_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(SettingError, match="gradients has shape"):
        GradientConfig(columns=1, clip=1.0).fix_gradients(np.zeros(shape, dtype=np.float32))


def test_phi_is_rounded_to_the_grid() -> None:
    config = GradientConfig(columns=2, clip=1.0, phi_bits=8)
    phi = np.array([[1.0, -1.0], [0.5 / 127, 0.6 / 127], [0.0, -0.6 / 127]], dtype=np.float32)

    assert config.fix_phi(phi).tolist() == [[127, -127], [0, 1], [0, -1]]
    assert config.fix_phi(np.zeros((0, 2), dtype=np.float32)).shape == (0, 2)


def test_phi_that_cannot_be_encoded_is_refused() -> None:
    config = GradientConfig(columns=2, clip=1.0)

    with pytest.raises(SettingError, match="beyond 1"):
        config.fix_phi(np.full((4, 2), 1.001, dtype=np.float32))
    with pytest.raises(SettingError, match="NaN"):
        config.fix_phi(np.full((4, 2), np.nan, dtype=np.float32))
    for shape in ((4,), (4, 3)):
        with pytest.raises(SettingError, match="phi has shape"):
            config.fix_phi(np.zeros(shape, dtype=np.float32))


@pytest.mark.parametrize(("dim", "room", "ciphers"), [(32, 256, 1), (64, 128, 1), (128, 64, 2)])
def test_a_group_takes_whole_ciphertexts(dim: int, room: int, ciphers: int) -> None:
    config = GradientConfig(columns=1, clip=1.0, dim=dim)

    assert config.rows_per_cipher == room
    assert config.ciphers_per_group == ciphers


@pytest.mark.parametrize("dim", [32, 64, 128])
def test_values_and_factors_meet_user_by_user(dim: int) -> None:
    config = GradientConfig(columns=1, clip=1.0, dim=dim)
    rng = np.random.default_rng(0)
    users = min(GROUP_ROWS, config.rows_per_cipher) - 3
    values = rng.integers(-99, 99, (users, dim))
    factor = rng.integers(-99, 99, (users, 1))

    slots = config.spread(values) * config.spread(factor)

    assert slots.shape == (SLOTS,)
    assert (config.sum_users(slots) == (factor.T @ values)[0] % PLAIN_MODULUS).all()


def test_the_settings_a_sealed_gradient_depends_on_are_in_its_fingerprint() -> None:
    base = GradientConfig(columns=4, clip=1.0)

    for other in (
        GradientConfig(columns=4, clip=1.5),
        GradientConfig(columns=4, clip=1.0, dim=32),
        GradientConfig(columns=4, clip=1.0, gradient_bits=12),
    ):
        assert other.settings_bytes() != base.settings_bytes()
    assert GradientConfig(columns=8, clip=1.0).settings_bytes() == base.settings_bytes()
