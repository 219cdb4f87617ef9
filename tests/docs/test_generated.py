import runpy
from pathlib import Path

import pytest

from federation.protocol.codec import KINDS
from federation.protocol.conversation import TRANSITIONS
from federation.protocol.profile import Profile
from simulations.run_folder import SimulationConfig
from tests.docs.pages import ROOT

GENERATED = {
    "docs/make_settings.py": "docs/settings.md",
    "docs/diagrams/make.py": "docs/diagrams/conversation.md",
}


@pytest.mark.parametrize("script", GENERATED)
def test_a_generated_page_is_what_its_script_makes(script: str) -> None:
    made = runpy.run_path(str(ROOT / script))["page"]()
    kept = (ROOT / GENERATED[script]).read_text(encoding="utf-8")
    assert kept == made, f"run: python {script}"


@pytest.mark.parametrize("script", GENERATED)
def test_a_script_says_whether_its_page_is_current(
    script: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    module = runpy.run_path(str(ROOT / script))
    monkeypatch.setitem(module["main"].__globals__, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr("sys.argv", [script])
    assert module["main"]() == 0
    monkeypatch.setattr("sys.argv", [script, "--check"])
    assert module["main"]() == 0
    (tmp_path / "page.md").write_text("out of date")
    assert module["main"]() == 1


def test_every_setting_is_documented_with_its_default() -> None:
    page = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    for key in SimulationConfig().settings():
        assert f"| `{key}` | `" in page, key


def test_every_transition_of_every_profile_is_drawn() -> None:
    page = (ROOT / "docs/diagrams/conversation.md").read_text(encoding="utf-8")
    for profile in Profile:
        section = page.split(f"\n## {profile.value}\n")[1].split("\n## ")[0]
        for (phase, kind), following in TRANSITIONS[profile].items():
            ends = (f"    {phase.name} --> {following.name}: ", f" says {kind.__name__}\n")
            lines = [line + "\n" for line in section.splitlines()]
            assert any(line.startswith(ends[0]) and line.endswith(ends[1]) for line in lines)


@pytest.mark.parametrize("page", ["docs/protocol.md", "docs/diagrams/conversation.md"])
def test_every_message_is_described(page: str) -> None:
    described = (ROOT / page).read_text(encoding="utf-8")
    for number, kind in enumerate(KINDS):
        assert f"| {number} | `{kind.__name__}` |" in described
