from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tenseal import sealapi

from federation.crypto.batch_gradient import (
    GROUP_ROWS,
    GradientConfig,
    GradientOpener,
    ProductMaker,
)
from federation.crypto.gradient_config import Floats
from federation.crypto.gradient_wire import Kind, fingerprint_of, unwrap, wrap
from federation.crypto.he_ntt import PLAIN_MODULUS, SLOTS, Cipher, Integers
from federation.errors import (
    ForeignKeyError,
    MalformedError,
    MaskReuseError,
    OutOfTurnError,
    SettingError,
    SmallBatchError,
)

CLIP = 0.5


def config(columns: int = 2, *, dim: int = 64, noised: bool = False) -> GradientConfig:
    return GradientConfig(columns=columns, clip=CLIP, dim=dim, noised=noised)


@cache
def opener(dim: int = 64, *, noised: bool = False) -> GradientOpener:
    """An item party; making its key costs more than a whole small step."""
    return GradientOpener(config(dim=dim, noised=noised))


def features(slots: int, columns: int, *, seed: int = 0) -> Floats:
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (slots, columns)).astype(np.float32)


def gradients(groups: int, dim: int = 64, *, seed: int = 0) -> Floats:
    rng = np.random.default_rng(seed)
    return rng.normal(0, 0.1, (groups, GROUP_ROWS, dim)).astype(np.float32)


def partner(
    columns: int = 2, *, slots: int = 3 * GROUP_ROWS, of: GradientOpener | None = None
) -> ProductMaker:
    item = opener() if of is None else of
    return ProductMaker(config(columns), item.public, features(slots, columns))


def clear_sum(
    setting: GradientConfig, phi: Floats, batch: Floats, groups: Sequence[int]
) -> Integers:
    """What a step must give, by the plain formula over integers."""
    rows = np.minimum(1.0, CLIP / np.linalg.norm(batch.astype(np.float64), axis=2, keepdims=True))
    values = np.rint(batch * rows / CLIP * 32767).astype(np.int64)
    total = np.zeros((setting.columns, setting.dim), dtype=np.int64)
    for position, group in enumerate(groups):
        known = np.rint(phi[group * 128 : group * 128 + 128].astype(np.float64) * 2047)
        total += known.astype(np.int64).T @ values[position, : len(known)]
    return total


def reals(setting: GradientConfig, total: Integers) -> Floats:
    return (total * (CLIP / (32767 * 2047))).astype(np.float32)


@st.composite
def runs(draw: st.DrawFn) -> dict[str, object]:
    slots = draw(st.integers(1, 4 * GROUP_ROWS))
    groups = -(-slots // GROUP_ROWS)
    return {
        "dim": draw(st.sampled_from((32, 64, 128))),
        "columns": draw(st.integers(1, 4)),
        "slots": slots,
        "batches": draw(
            st.lists(
                st.lists(st.integers(0, groups - 1), min_size=1, unique=True),
                min_size=1,
                max_size=2,
            )
        ),
        "skip": frozenset(draw(st.lists(st.integers(0, groups - 1), max_size=2))),
        "prepared": draw(st.integers(0, 1)),
    }


@settings(max_examples=12, deadline=None)
@given(run=runs(), seed=st.integers(0, 2**32 - 1))
def test_a_partner_gets_exactly_the_batch_sum(run: dict[str, object], seed: int) -> None:
    dim, columns, slots = int(str(run["dim"])), int(str(run["columns"])), int(str(run["slots"]))
    skip, batches = run["skip"], run["batches"]
    assert isinstance(skip, frozenset)
    assert isinstance(batches, list)
    setting = config(columns, dim=dim, noised=True)  # any batch size
    phi = features(slots, columns, seed=seed)
    phi[:GROUP_ROWS, 0] = 0  # a column that is zero throughout a group
    item = opener(dim, noised=True)
    maker = ProductMaker(setting, item.public, phi)
    maker.prepare(int(str(run["prepared"])))

    for step, groups in enumerate(batches):
        batch = gradients(len(groups), dim, seed=seed + step)
        products = maker.multiply(step, groups, item.seal(batch), skip=skip)
        no_noise = np.zeros((columns, dim), dtype=np.int64)
        sums = item.sum_blocks(products, noise=no_noise, columns=columns)
        found = maker.unmask(step, sums)

        kept = [i for i, group in enumerate(groups) if group not in skip]
        wanted = clear_sum(setting, phi, batch[kept], [groups[i] for i in kept])
        assert found.dtype == np.float32
        assert (found == reals(setting, wanted)).all()


def test_one_sealed_batch_serves_partners_of_different_width() -> None:
    item, batch, groups = opener(), gradients(3), [2, 0, 1]
    sealed = item.seal(batch)

    for columns in (1, 2, 5):
        setting, phi = config(columns), features(3 * GROUP_ROWS - 9, columns, seed=columns)
        maker = ProductMaker(setting, item.public, phi)
        products = maker.multiply(7, groups, sealed)
        found = maker.unmask(7, item.sum_blocks(products, columns=columns))
        assert (found == reals(setting, clear_sum(setting, phi, batch, groups))).all()


def test_steps_may_be_answered_ahead_and_are_unmasked_in_order() -> None:
    item, maker, phi = opener(), partner(), features(3 * GROUP_ROWS, 2)
    answers = {}
    for step in (0, 1, 5):
        batch = gradients(2, seed=step)
        sums = item.sum_blocks(maker.multiply(step, [0, 2], item.seal(batch)))
        answers[step] = (sums, reals(config(), clear_sum(config(), phi, batch, [0, 2])))

    with pytest.raises(OutOfTurnError, match="the step due is 0"):
        maker.unmask(1, answers[1][0])
    for step, (sums, wanted) in answers.items():
        assert (maker.unmask(step, sums) == wanted).all()
    with pytest.raises(OutOfTurnError, match="the step due is None"):
        maker.unmask(5, answers[5][0])


def test_a_cache_too_small_for_a_column_changes_nothing_but_time() -> None:
    item, batch, phi = opener(), gradients(2), features(2 * GROUP_ROWS, 2)
    sealed = item.seal(batch)
    wanted = reals(config(), clear_sum(config(), phi, batch, [0, 1]))

    for cache_bytes in (0, 5000, 2**28):
        maker = ProductMaker(replace(config(), cache_bytes=cache_bytes), item.public, phi)
        for step in range(2):
            products = maker.multiply(step, [0, 1], sealed)
            assert (maker.unmask(step, item.sum_blocks(products)) == wanted).all()
        assert maker._columns._bytes <= cache_bytes
        assert maker._columns._bytes == sum(map(len, maker._columns._factors.values()))


def test_the_largest_batch_at_its_bounds_is_exact_and_leaves_a_noise_margin() -> None:
    setting = GradientConfig(columns=1, clip=CLIP, max_rows=8192)
    item = GradientOpener(setting)
    batch = np.zeros((64, GROUP_ROWS, 64), dtype=np.float32)
    batch[:, :, 0], batch[:, :, 1:3] = CLIP, 0
    phi = np.ones((8192, 1), dtype=np.float32)
    maker = ProductMaker(setting, item.public, -phi)

    products = maker.multiply(0, range(64), item.seal(batch))
    found = maker.unmask(0, item.sum_blocks(products))

    assert found[0, 0] == -8192 * CLIP
    assert not found[0, 1:].any()
    # Dropping to one prime rounds by about 2**5 where 2**13 is allowed, and never by 2**12.
    assert item._ring.noise_budget(product_stream(products[0])) >= 5


def test_noise_is_added_once_and_may_fill_the_modulus() -> None:
    item, phi, batch = opener(noised=True), features(GROUP_ROWS, 2), gradients(1)
    maker = ProductMaker(config(noised=True), item.public, phi)
    noise = np.random.default_rng(1).integers(-(2**37), 2**37, (2, 64))

    products = maker.multiply(0, [0], item.seal(batch))
    found = maker.unmask(0, item.sum_blocks(products, noise=noise))

    wanted = clear_sum(config(), phi, batch, [0]) + noise
    assert (found == reals(config(), wanted)).all()


def test_noise_that_was_promised_and_is_missing_is_refused() -> None:
    item = opener(noised=True)
    products = ProductMaker(config(noised=True), item.public, features(GROUP_ROWS, 2)).multiply(
        0, [0], item.seal(gradients(1))
    )

    with pytest.raises(SettingError, match="promises noise"):
        item.sum_blocks(products)


def test_noise_that_cannot_be_added_is_refused() -> None:
    item = opener()
    products = partner().multiply(0, [0], item.seal(gradients(1)))

    with pytest.raises(SettingError, match="noise has shape"):
        item.sum_blocks(products, noise=np.zeros((2, 63), dtype=np.int64))
    with pytest.raises(SettingError, match="beyond the modulus"):
        item.sum_blocks(products, noise=np.full((2, 64), -(2**39), dtype=np.int64))


# What must not be seen.


def product_stream(product: bytes) -> bytes:
    return unwrap(product, Kind.PRODUCT, count=1, under=None)[0]


def decrypted(item: GradientOpener, products: Sequence[bytes]) -> Integers:
    """All (columns, SLOTS) values the item party decrypts."""
    return np.stack([item._ring.decrypt(product_stream(product)) for product in products])


def chi_square(values: Integers, bins: int = 16) -> float:
    found = np.bincount(values * bins // PLAIN_MODULUS, minlength=bins)
    wanted = values.size / bins
    return float(((found - wanted) ** 2 / wanted).sum())


def test_the_item_party_decrypts_uniform_values_fresh_in_each_step() -> None:
    item, maker = opener(), partner(4)
    batch = np.zeros((1, GROUP_ROWS, 64), dtype=np.float32)
    batch[:, :, 0] = CLIP
    sealed = item.seal(batch)

    first, second = (decrypted(item, maker.multiply(s, [0], sealed)) for s in (0, 1))

    # 15 degrees of freedom: above 70 in one run of twenty million.
    assert chi_square(first.ravel() % PLAIN_MODULUS) < 70
    assert chi_square((first - second).ravel() % PLAIN_MODULUS) < 70
    assert chi_square((first[0] - first[1]) % PLAIN_MODULUS) < 70
    assert chi_square(np.full(SLOTS, 5)) > 70


def test_two_partners_draw_different_masks() -> None:
    item = opener()
    sealed = item.seal(gradients(1))

    one, other = (decrypted(item, partner().multiply(0, [0], sealed)) for _ in range(2))

    assert chi_square((one - other).ravel() % PLAIN_MODULUS) < 70


def noise_budget(item: GradientOpener, maker: ProductMaker, total: Cipher) -> int:
    """Bits left in a product before primes are dropped, which the item party can compute."""
    maker._ring._evaluator.transform_from_ntt_inplace(total)
    return int(item._ring._decryptor.invariant_noise_budget(total))


def bare_noise_budget(item: GradientOpener, phi: Floats, *, flooded: bool) -> int:
    maker = ProductMaker(config(1), item.public, phi)
    sealed = item.seal(gradients(1))
    total = maker._pads.take().flood if flooded else maker._ring.flood([])
    for group, part, cipher in maker._open([0], sealed, frozenset()):
        factor = maker._columns.factor(group, part, column=0)
        maker._ring.add_product(total, cipher, factor=factor)
    return noise_budget(item, maker, total)


def test_the_flood_hides_how_much_noise_phi_made() -> None:
    item = opener()
    constant = np.ones((GROUP_ROWS, 1), dtype=np.float32)  # a polynomial of one coefficient
    varied = features(GROUP_ROWS, 1)
    sparse = np.eye(1, GROUP_ROWS, dtype=np.float32).T

    flooded = [bare_noise_budget(item, phi, flooded=True) for phi in (constant, varied, sparse)]
    bare = [bare_noise_budget(item, phi, flooded=False) for phi in (constant, varied)]

    assert max(flooded) - min(flooded) <= 1
    # Without the flood the noise tells them apart, so the test can see something.
    assert bare[0] - bare[1] > 20
    # The flood exceeds what it hides by more than forty bits.
    assert min(bare) - max(flooded) > 40


def test_the_products_of_a_batch_left_out_whole_look_like_any_other() -> None:
    item = opener(noised=True)
    maker = ProductMaker(config(1, noised=True), item.public, features(GROUP_ROWS, 1))
    sealed = item.seal(gradients(1))

    (left_out,) = maker.multiply(0, [0], sealed, skip=frozenset({0}))
    (taken,) = maker.multiply(1, [0], sealed)

    budgets = [item._ring.noise_budget(product_stream(p)) for p in (left_out, taken)]
    assert abs(budgets[0] - budgets[1]) <= 1
    assert abs(len(left_out) - len(taken)) < 200
    assert chi_square(decrypted(item, [left_out]).ravel() % PLAIN_MODULUS) < 70


def test_the_public_bytes_hold_one_public_key_and_nothing_else() -> None:
    item = GradientOpener(config())
    (stream,) = unwrap(item.public, Kind.PUBLIC_KEY, count=1, under=None)
    ring = item._ring.ring
    ring._scratch.write(stream)

    sealapi.PublicKey().load(ring.context, ring._scratch.path)
    with pytest.raises(RuntimeError):
        sealapi.SecretKey().load(ring.context, ring._scratch.path)
    assert int.from_bytes(stream[8:16], "little") == len(stream)
    assert len(item.public) == len(stream) + 26


def test_two_item_parties_have_different_keys() -> None:
    assert fingerprint_of(GradientOpener(config()).public) != fingerprint_of(opener().public)


# What must be refused.


def test_a_replayed_step_is_refused_and_nothing_is_multiplied_again() -> None:
    item, maker = opener(), partner()
    sealed = item.seal(gradients(2))
    maker.multiply(4, [0, 1], sealed)

    for step in (4, 3, 0, -1):
        with pytest.raises(MaskReuseError, match=f"step {step} was answered or passed"):
            maker.multiply(step, [0, 1], sealed)
    with pytest.raises(MaskReuseError):
        maker.multiply(4, [0, 2], item.seal(gradients(2, seed=1)))
    assert len(maker.multiply(5, [0, 1], sealed)) == 2


def test_a_small_batch_without_noise_is_refused_by_both_sides() -> None:
    item = GradientOpener(config(17))
    sealed = opener().seal(gradients(1))
    maker = ProductMaker(config(17), item.public, features(3 * GROUP_ROWS, 17))

    with pytest.raises(SmallBatchError, match=r"128 users .* columns=17"):
        item.seal(gradients(1))
    with pytest.raises(SmallBatchError, match=r"128 users .* columns=17"):
        maker.multiply(0, [0], sealed)


def test_users_left_out_or_missing_do_not_count_towards_the_batch() -> None:
    item = opener()
    maker = ProductMaker(config(16), item.public, features(2 * GROUP_ROWS + 1, 16))
    sealed = item.seal(gradients(2))

    with pytest.raises(SmallBatchError, match="a batch of 1 users"):
        maker.multiply(0, [1, 2], sealed, skip=frozenset({1}))
    assert len(maker.multiply(0, [1, 2], sealed)) == 16


def test_a_batch_above_max_rows_is_refused_by_both_sides() -> None:
    small = replace(config(), max_rows=256)
    item = GradientOpener(small)
    sealed = GradientOpener(config()).seal(gradients(3))

    with pytest.raises(SettingError, match="max_rows=256"):
        item.seal(gradients(3))
    maker = ProductMaker(small, item.public, features(3 * GROUP_ROWS, 2))
    with pytest.raises(SettingError, match="max_rows=256"):
        maker.multiply(0, [0, 1, 2], sealed)


def test_groups_that_are_unknown_or_repeated_are_refused() -> None:
    maker, sealed = partner(), opener().seal(gradients(2))

    for groups in ([0, 3], [-1, 0]):
        with pytest.raises(SettingError, match="not one of the 3"):
            maker.multiply(0, groups, sealed)
    with pytest.raises(SettingError, match="twice"):
        maker.multiply(0, [1, 1], sealed)


def test_a_refused_batch_changes_nothing() -> None:
    item, maker, batch = opener(), partner(), gradients(2)
    sealed = item.seal(batch)
    flipped = sealed[1][:60] + bytes([sealed[1][60] ^ 255]) + sealed[1][61:]
    foreign = GradientOpener(config()).seal(batch)

    for wrong, error in (
        (sealed[:1], MalformedError),
        ((*sealed, sealed[0]), MalformedError),
        ((sealed[0], sealed[1][:-1]), MalformedError),
        ((sealed[0], b""), MalformedError),
        ((sealed[0], flipped), MalformedError),
        ((sealed[0], item.public), MalformedError),
        ((sealed[0], foreign[1]), ForeignKeyError),
    ):
        with pytest.raises(error):
            maker.multiply(0, [0, 1], wrong)

    found = maker.unmask(0, item.sum_blocks(maker.multiply(0, [0, 1], sealed)))
    wanted = clear_sum(config(), features(3 * GROUP_ROWS, 2), batch, [0, 1])
    assert (found == reals(config(), wanted)).all()


def test_a_damaged_group_is_refused_even_where_it_is_left_out() -> None:
    sealed = opener().seal(gradients(2))

    with pytest.raises(MalformedError):
        partner().multiply(0, [0, 1], (sealed[0], sealed[1][:-1]), skip=frozenset({1}))


def test_products_that_are_none_are_refused() -> None:
    item = opener()
    sealed = item.seal(gradients(1))
    good = partner().multiply(0, [0], sealed)
    other = GradientOpener(config())
    foreign = partner(of=other).multiply(0, [0], other.seal(gradients(1)))

    for wrong, error in (
        (good[:1], MalformedError),
        ((*good, good[0]), MalformedError),
        ((good[0], good[1][:-1]), MalformedError),
        ((good[0], sealed[0]), MalformedError),
        ((good[0], foreign[1]), ForeignKeyError),
        ((), MalformedError),
    ):
        with pytest.raises(error):
            item.sum_blocks(wrong)


def test_a_public_key_of_other_settings_or_damaged_is_refused() -> None:
    public, phi = opener().public, features(GROUP_ROWS, 2)

    for other in (replace(config(), clip=1.0), config(dim=32), replace(config(), gradient_bits=8)):
        with pytest.raises(ForeignKeyError, match="another dim, clip or gradient_bits"):
            ProductMaker(other, public, phi)
    with pytest.raises(ForeignKeyError, match="damaged"):
        ProductMaker(config(), public[:-1] + bytes([public[-1] ^ 1]), phi)
    with pytest.raises(MalformedError):
        ProductMaker(config(), public[:-1], phi)
    with pytest.raises(MalformedError):
        ProductMaker(config(), wrap(Kind.PRODUCT, [b"x"], under=bytes(16)), phi)


def test_an_unusable_gradient_or_phi_is_refused() -> None:
    bad = gradients(1)
    bad[0, 3, 5] = np.nan

    with pytest.raises(SettingError, match=r"\(0, 3, 5\) is NaN"):
        opener().seal(bad)
    with pytest.raises(SettingError, match="phi has shape"):
        ProductMaker(config(3), opener().public, features(GROUP_ROWS, 2))


def test_sums_that_no_step_can_give_are_refused_and_leave_the_step_due() -> None:
    item, maker = opener(), partner()
    sums = item.sum_blocks(maker.multiply(0, [0, 1], item.seal(gradients(2))))
    assert sums.dtype == np.int64
    assert sums.min() >= 0

    for wrong, reason in (
        (sums[:1], "sums are"),
        (sums.astype(np.uint64), "sums are"),
        (sums - PLAIN_MODULUS, "outside"),
        (sums + PLAIN_MODULUS, "outside"),
        ((sums + PLAIN_MODULUS // 2) % PLAIN_MODULUS, "another step"),
    ):
        with pytest.raises(MalformedError, match=reason):
            maker.unmask(0, wrong)  # type: ignore[arg-type]
    assert maker.unmask(0, sums).shape == (2, 64)


def test_a_printed_pad_shows_nothing() -> None:
    assert repr(partner()._pads.take()) == "Pad()"
