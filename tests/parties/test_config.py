from dataclasses import replace

import pytest

from federation.crypto.cipher import Scheme
from federation.errors import SettingError, SinglePartnerError
from federation.protocol.profile import Profile
from parties.ciphers import (
    GROUP_ROWS,
    check_ciphers,
    forward_cipher,
    gradient_config,
    takes_masks,
    wants_gradient_key,
)
from parties.cohort import check_cohort
from parties.config import RunConfig
from parties.seeds import derive_seed
from parties.settings import keys, override


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", -1),
        ("alignment.max_users", 0),
        ("alignment.workers", -1),
        ("exchange.bits", 10),
        ("exchange.clip", 0),
        ("exchange.gradient_clip", -1),
        ("exchange.gradient_clip", 1e7),
        ("exchange.timeout_s", 0),
        ("exchange.batch_groups", 0),
        ("exchange.min_cohort", 0),
        ("exchange.partner_dropout", 1),
        ("exchange.partner_dropout", -0.1),
        ("exchange.max_frame_mib", 0),
        ("exchange.cache_mib", 0),
        ("training.epochs", 0),
        ("training.validation_share", 0),
        ("training.validation_share", 1),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(key: str, value: object) -> None:
    with pytest.raises(SettingError, match=key):
        override(RunConfig(), key, value)


def test_the_width_of_embeddings_is_the_model_s() -> None:
    assert override(RunConfig(), "trainer.model.embedding_dim", 32).dim == 32


OTHERS = {
    "profile": "plain",
    "seed": 1,
    "encoder.width": 16,
    "trainer.model.embedding_dim": 32,
    "training.epochs": 3,
    "exchange.scheme": "ckks",
    "exchange.clip": 2.0,
    "exchange.bits": 12,
    "exchange.gradient_clip": 2.0,
    "exchange.batch_groups": 4,
    "exchange.partner_dropout": 0.5,
    "exchange.min_cohort": 3,
    "exchange.accept_single_partner": True,
    "exchange.max_frame_mib": 64,
}
OWN = {
    "exchange.rounding": "stochastic",
    "exchange.timeout_s": 5.0,
    "exchange.cache_mib": 64,
    "alignment.workers": 1,
    "encoder.kind": "svd",
    "projection.learning_rate": 0.1,
    "trainer.learning_rate": 0.1,
    "training.validation_share": 0.2,
}


@pytest.mark.parametrize("key", list(OTHERS))
def test_what_all_parties_must_share_is_part_of_the_agreement(key: str) -> None:
    assert override(RunConfig(), key, OTHERS[key]).agreement() != RunConfig().agreement()


@pytest.mark.parametrize("key", list(OWN))
def test_what_a_party_may_choose_is_no_part_of_the_agreement(key: str) -> None:
    assert override(RunConfig(), key, OWN[key]).agreement() == RunConfig().agreement()


def test_every_setting_of_the_exchange_is_shared_or_a_party_s_own() -> None:
    exchange = {key for key in keys(RunConfig()) if key.startswith("exchange.")}
    assert exchange == {key for key in (*OTHERS, *OWN) if key.startswith("exchange.")}


def test_agreements_are_digests_of_their_own() -> None:
    assert len(RunConfig().agreement()) == 32
    assert RunConfig().agreement() == RunConfig().agreement()


def run(profile: Profile, **exchange: object) -> RunConfig:
    config = RunConfig(profile=profile)
    return replace(config, exchange=replace(config.exchange, **exchange))  # type: ignore[arg-type]


def test_one_partner_under_strict_is_refused_with_both_ways_out() -> None:
    with pytest.raises(SinglePartnerError) as caught:
        check_cohort(run(Profile.STRICT), ["forum"])
    for word in ("forum", "--profile frozen", "--accept-single-partner"):
        assert word in str(caught.value)


@pytest.mark.parametrize(
    "config",
    [run(Profile.STRICT, accept_single_partner=True), run(Profile.FROZEN), run(Profile.PLAIN)],
)
def test_one_partner_runs_where_no_sum_protects_it_or_that_is_accepted(config: RunConfig) -> None:
    assert check_cohort(config, ["forum"]) == 1


@pytest.mark.parametrize("profile", list(Profile))
def test_nobody_is_no_federation(profile: Profile) -> None:
    with pytest.raises(SettingError, match="at least one partner"):
        check_cohort(run(profile), [])


def test_fewer_partners_than_the_smallest_cohort_are_refused() -> None:
    config = run(Profile.STRICT, min_cohort=3)
    assert check_cohort(config, ["a", "b", "c"]) == 3
    with pytest.raises(SettingError, match=r"2 partners are fewer than exchange\.min_cohort = 3"):
        check_cohort(config, ["a", "b"])


@pytest.mark.parametrize(
    ("profile", "scheme", "expected"),
    [
        (Profile.STRICT, Scheme.BFV, Scheme.BFV),
        (Profile.FROZEN, Scheme.CKKS, Scheme.CKKS),
        (Profile.PLAIN, Scheme.BFV, Scheme.CLEAR),
    ],
)
def test_only_plain_adds_in_the_clear(profile: Profile, scheme: Scheme, expected: Scheme) -> None:
    cipher = forward_cipher(run(profile, scheme=scheme), 3)
    assert cipher.scheme is expected
    assert cipher.config.parties == 3
    assert takes_masks(cipher) is (expected is Scheme.BFV)


@pytest.mark.parametrize("profile", [Profile.STRICT, Profile.FROZEN])
def test_a_protected_profile_refuses_the_clear_scheme(profile: Profile) -> None:
    with pytest.raises(SettingError, match=rf"profile {profile.value} needs bfv or ckks"):
        forward_cipher(run(profile, scheme=Scheme.CLEAR), 2)


def test_the_backward_follows_the_run_s_settings() -> None:
    config = run(Profile.STRICT, batch_groups=40, gradient_clip=2.5, cache_mib=3)
    gradient = gradient_config(config)
    assert (gradient.columns, gradient.dim) == (config.encoder.width, config.dim)
    assert (gradient.clip, gradient.cache_bytes) == (2.5, 3 * 2**20)
    assert gradient.max_rows == 40 * GROUP_ROWS
    assert [wants_gradient_key(run(profile)) for profile in Profile] == [True, False, False]


def test_settings_of_an_encrypted_backward_matter_under_strict_only() -> None:
    odd = override(run(Profile.STRICT), "trainer.model.embedding_dim", 48)
    with pytest.raises(SettingError, match=r"dim is 48.*trainer\.model\.embedding_dim"):
        check_ciphers(odd, 2)
    with pytest.raises(SettingError, match=r"max_rows=12800.*exchange\.batch_groups"):
        check_ciphers(run(Profile.STRICT, batch_groups=100), 2)
    check_ciphers(replace(odd, profile=Profile.FROZEN), 2)


def test_seeds_differ_by_purpose_and_party_and_fit_63_bits() -> None:
    purposes = [("trainer",), ("party", "forum"), ("party", "item"), ("party/forum", 1), ()]
    seeds = {derive_seed(seed, *purpose) for seed in (0, 1) for purpose in purposes}
    assert len(seeds) == 10
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_the_same_purpose_always_gives_the_same_seed() -> None:
    assert derive_seed(0, "schedule") == derive_seed(0, "schedule")
