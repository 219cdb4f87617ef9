"""What a party takes part in, whatever a coordinator orders."""

import json
from typing import Any

import pytest

from federation.crypto.cipher import Scheme
from federation.errors import SettingError
from federation.protocol.profile import Profile
from parties.config import RunConfig
from parties.errors import PolicyError
from parties.node.policy import CAPS, MACHINE_KEYS, OWN_KEYS, Policy, adopt
from parties.node.run_settings import MAX_SETTINGS, put_settings
from parties.settings import flatten, from_plain, keys, override, to_plain

OTHER: dict[str, object] = {
    "exchange.rounding": "stochastic",
    "exchange.timeout_s": 17.0,
    "exchange.cache_mib": 99,
    "alignment.workers": 3,
}


def nested(key: str, value: object) -> dict[str, Any]:
    for part in reversed(key.split(".")):
        value = {part: value}
    assert isinstance(value, dict)
    return value


def test_the_defaults_of_a_run_are_agreed_to_by_default() -> None:
    order = json.loads(json.dumps(to_plain(RunConfig())))
    assert adopt(Policy(), order, {}) == RunConfig()


def test_an_ordered_run_is_adopted_whole_and_agrees_with_the_coordinators() -> None:
    settings = {"seed": 9, "encoder": {"width": 16}, "training": {"epochs": 3}}
    coordinators = from_plain(RunConfig(), settings)
    order = json.loads(json.dumps(to_plain(coordinators)))
    assert adopt(Policy(), order, {}).agreement() == coordinators.agreement()


def test_an_order_may_be_flat() -> None:
    assert adopt(Policy(), {"training.epochs": 5}, {}).training.epochs == 5


def test_own_choices_are_named_for_every_key_that_a_test_knows() -> None:
    assert set(OWN_KEYS) == set(OTHER)
    assert set(OWN_KEYS) > MACHINE_KEYS


@pytest.mark.parametrize("key", OWN_KEYS)
def test_no_own_choice_changes_what_parties_agree_on(key: str) -> None:
    changed = adopt(Policy(), {}, {key: OTHER[key]})
    assert changed != RunConfig()
    assert changed.agreement() == RunConfig().agreement()


@pytest.mark.parametrize("key", OWN_KEYS)
def test_own_choices_go_over_the_order(key: str) -> None:
    ordered = to_plain(RunConfig())
    assert dict(flatten(to_plain(adopt(Policy(), ordered, {key: OTHER[key]}))))[key] == OTHER[key]


@pytest.mark.parametrize("key", sorted(MACHINE_KEYS))
def test_what_spends_this_machines_means_is_never_ordered(key: str) -> None:
    assert adopt(Policy(), nested(key, 10**6), {}) == RunConfig()


@pytest.mark.parametrize(
    ("order", "sentence"),
    [
        (
            {"profile": "plain"},
            'profile = plain.*say profiles = ["strict", "frozen", "plain"]',
        ),
        (
            {"exchange": {"scheme": "ckks"}},
            'exchange.scheme = ckks.*say schemes = ["bfv", "ckks"]',
        ),
        ({"exchange": {"scheme": "clear"}}, "exchange.scheme = clear"),
        (
            {"exchange": {"accept_single_partner": True}},
            "exchange.accept_single_partner = true.*say accept_single_partner = true",
        ),
        (
            {"exchange": {"partner_dropout": 0.1}},
            "exchange.partner_dropout = 0.1.*say accept_single_partner = true",
        ),
        ({"exchange": {"min_cohort": 1}}, "exchange.min_cohort = 1.*say min_cohort = 1"),
        ({"training": {"epochs": 10**9}}, "training.epochs = 1000000000.*say max_epochs = 10"),
        ({"encoder": {"width": 65}}, "encoder.width = 65.*say max_width = 65"),
        ({"exchange": {"timeout_s": 3600.5}}, "timeout_s = 3600.5.*say max_timeout_s = 3601"),
        (
            {"trainer": {"model": {"top_hidden_dims": [8, 10**6]}}},
            "top_hidden_dims = [8, 1000000].*say max_hidden = 1000000",
        ),
    ],
)
def test_a_setting_that_was_not_agreed_to_is_refused_with_the_line_to_change(
    order: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(PolicyError) as caught:
        adopt(Policy(), order, {})
    wanted = sentence.split(".*")
    assert all(part in str(caught.value) for part in wanted), str(caught.value)


@pytest.mark.parametrize(("setting", "cap"), CAPS.items())
def test_every_cap_holds_one_above_and_not_at_its_value(setting: str, cap: str) -> None:
    limit = getattr(Policy(), cap)
    many = setting.endswith("_dims")
    assert adopt(Policy(), nested(setting, [limit] if many else limit), {})
    with pytest.raises(PolicyError, match=f"say {cap} = {limit + 1}"):
        adopt(Policy(), nested(setting, [limit + 1] if many else limit + 1), {})


def test_every_cap_is_a_setting_and_a_key_of_the_policy() -> None:
    assert set(CAPS) <= set(keys(RunConfig()))
    assert all(hasattr(Policy(), cap) for cap in CAPS.values())


def test_all_refusals_are_told_at_once() -> None:
    order = {"profile": "plain", "training.epochs": 201}
    with pytest.raises(PolicyError, match=r"profile = plain.*training.epochs = 201"):
        adopt(Policy(), order, {})


def test_what_a_policy_allows_is_run() -> None:
    policy = Policy(
        profiles=(Profile.PLAIN,),
        schemes=(Scheme.CKKS,),
        accept_single_partner=True,
        min_cohort=1,
        max_epochs=1000,
    )
    order = {
        "profile": "plain",
        "exchange": {"scheme": "ckks", "accept_single_partner": True, "min_cohort": 1},
        "training": {"epochs": 1000},
    }
    run = adopt(policy, order, {})
    assert (run.profile, run.exchange.min_cohort) == (Profile.PLAIN, 1)


def test_leaving_groups_out_is_of_no_account_where_no_partner_trains() -> None:
    dropout = {"exchange.partner_dropout": 0.5}
    assert adopt(Policy(), {"profile": "frozen", **dropout}, {})
    assert adopt(Policy(accept_single_partner=True), dropout, {})


def test_the_scheme_of_an_unprotected_run_is_of_no_account() -> None:
    policy = Policy(profiles=(Profile.PLAIN,))
    assert adopt(policy, {"profile": "plain", "exchange.scheme": "clear"}, {})


def deep(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    "order",
    [
        {"epochs": 1},
        {"training": {"epoch": 1}},
        {"training": 5},
        {"training.epochs": "20"},
        {"training.epochs": 2.0},
        {"training.epochs": True},
        {"training.epochs": None},
        {"training.epochs": [1]},
        {"training.epochs": 0},
        {"training.epochs": -(10**30)},
        {"seed": 10**5000},
        {"seed": 2**53 + 1},
        {"seed": b"0"},
        {"seed": object()},
        {"exchange.clip": float("nan")},
        {"exchange.clip": float("inf")},
        {"exchange.clip": 1e300},
        {"exchange.max_frame_mib": 0},
        {"exchange.accept_single_partner": "true"},
        {"exchange.scheme": 1},
        {"profile": "x" * 10**6},
        {"x" * 10**6: 1},
        {"": 1},
        {7: 1},
        {b"seed": 1},
        {10**5000: 1},
        {"trainer.model.top_hidden_dims": [8] * 10**5},
        {"trainer.model.top_hidden_dims": [[8]]},
        {"projection.betas": [0.9]},
        {"projection.betas": [0.9, "0.9"]},
        {"encoder.kind": ["svd"]},
        deep(10_000),
        {f"a{number}": number for number in range(MAX_SETTINGS + 1)},
        {"__class__": 1},
        {"exchange.__class__.clip": 1.0},
    ],
    ids=lambda order: f"{next(iter(order))!r:.30}" if 10**5000 not in order else "huge key",
)
def test_a_hostile_order_is_refused_in_one_short_line(order: dict[Any, Any]) -> None:
    with pytest.raises(PolicyError) as caught:
        adopt(Policy(), order, {})
    assert len(str(caught.value)) < 500
    assert "the coordinator orders what no run can have" in str(caught.value)


def test_a_list_may_be_given_where_a_setting_is_one() -> None:
    assert adopt(Policy(), {"projection.betas": [0.5, 0]}, {}).projection.betas == (0.5, 0.0)


def test_a_choice_may_be_given_in_either_case() -> None:
    assert put_settings(RunConfig(), {"profile": "PLAIN"}).profile is Profile.PLAIN


def test_a_wrong_setting_of_ones_own_is_no_policy_error() -> None:
    with pytest.raises(SettingError, match="unknown setting seeds; close: seed"):
        put_settings(RunConfig(), {"seeds": 1})


def test_strict_types_know_every_setting_there_is() -> None:
    plain = dict(flatten(to_plain(RunConfig())))
    for key, value in plain.items():
        assert put_settings(RunConfig(), {key: value}) == override(RunConfig(), key, value)
