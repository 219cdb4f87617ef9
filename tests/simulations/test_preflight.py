from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from federation.errors import NoSharedUserError, SettingError, SmallBatchError
from federation.protocol.profile import Profile
from parties.ciphers import GROUP_ROWS
from parties.config import RunConfig
from parties.data import PartnerData
from parties.settings import override
from simulations.channels.names import parse_channels
from simulations.listening import Listening
from simulations.preflight import check_runnable
from simulations.run_folder import Plan, SimulationConfig
from towers.features import Features


def plan(config: RunConfig, *, splits: int = 1) -> Plan:
    return Plan(data="tiny", splits=splits, config=SimulationConfig(run=config))


def test_settings_that_fit_pass(listening: Listening, quick: RunConfig) -> None:
    check_runnable(plan(quick), listening)


def test_a_width_too_large_names_the_largest_that_passes(
    listening: Listening, quick: RunConfig
) -> None:
    wide = override(quick, "encoder.width", 40)
    with pytest.raises(SmallBatchError, match=r"--set encoder\.width=(\d+)") as refusal:
        check_runnable(plan(wide), listening)
    named = int(str(refusal.value).split("encoder.width=")[1].split(",")[0])
    check_runnable(plan(override(quick, "encoder.width", named)), listening)
    # Named for the first partner; no larger one passes for it.
    with pytest.raises(SmallBatchError):
        check_runnable(plan(override(quick, "encoder.width", named + 1)), listening)


@pytest.mark.parametrize("profile", [Profile.PLAIN, Profile.FROZEN])
def test_other_profiles_take_any_width(
    profile: Profile, listening: Listening, quick: RunConfig
) -> None:
    wide = override(quick, "encoder.width", 60)
    check_runnable(plan(replace(wide, profile=profile)), listening)


def test_the_smallest_batch_counts_and_not_the_average(
    listening: Listening, quick: RunConfig
) -> None:
    # Two groups, each a batch of its own; the second holds what is left of 240 users.
    single = override(override(quick, "exchange.batch_groups", 1), "encoder.width", 11)
    average = int(listening.known().sum(axis=0).min()) // 2
    assert average >= 8 * 11
    assert len(listening.users) - GROUP_ROWS < 8 * 17
    with pytest.raises(SmallBatchError, match="has only"):
        check_runnable(plan(single, splits=20), listening)


def test_a_batch_too_small_for_any_width_leaves_frozen(
    listening: Listening, quick: RunConfig
) -> None:
    few = PartnerData(listening.users[:20], _first(listening, 20))
    lonely = replace(listening, partners={**listening.partners, "video": few})
    with pytest.raises(SmallBatchError, match="--profile frozen, which sends nothing back"):
        check_runnable(plan(quick), lonely)


def test_a_partner_of_strangers_is_refused(listening: Listening, quick: RunConfig) -> None:
    strangers = PartnerData([f"x{number}" for number in range(20)], _first(listening, 20))
    apart = replace(listening, partners={**listening.partners, "video": strangers})
    with pytest.raises(NoSharedUserError, match="partner video shares no user"):
        check_runnable(plan(quick), apart)


def test_no_partner_at_all_is_refused(listening: Listening, quick: RunConfig) -> None:
    with pytest.raises(SettingError, match="at least one partner"):
        check_runnable(plan(quick), replace(listening, partners={}))


def _first(listening: Listening, rows: int) -> Features:
    features = listening.partners["social"].features
    chosen = np.arange(rows)
    return Features(multi_hot=features.multi_hot[chosen], dense=features.dense[chosen])


def test_channels_that_nobody_could_judge_are_refused_before_any_work(
    listening: Listening, quick: RunConfig
) -> None:
    asked = replace(plan(quick), channels=parse_channels("linear"))
    check_runnable(asked, listening)
    few = replace(asked.config, evaluation=replace(asked.config.evaluation, fitting_share=0.01))
    with pytest.raises(SettingError, match=r"evaluation\.fitting_share = 0\.01 are fewer than"):
        check_runnable(replace(asked, config=few), listening)
    first = np.zeros(len(listening.items))
    first[:4] = 1  # too few songs for anybody to hide one
    few_songs = sp.csr_array(listening.weights @ sp.diags_array(first))
    few_songs.eliminate_zeros()
    with pytest.raises(SettingError, match="of the 0 users whose songs can be hidden"):
        check_runnable(asked, replace(listening, weights=few_songs))
