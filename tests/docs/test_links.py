from pathlib import Path

import pytest

from tests.docs.pages import ROOT, anchors, documents, links

EXTERNAL = ("https://", "http://", "mailto:")


@pytest.mark.parametrize("page", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_internal_link_leads_somewhere(page: Path) -> None:
    for target in links(page):
        if target.startswith(EXTERNAL):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), f"{page.name} links to {target}, which is not there"
        assert ROOT in (file, *file.parents), f"{page.name} links out of the project: {target}"
        if anchor:
            assert anchor in anchors(file), f"{page.name} links to {target}: no such heading"


def test_every_document_can_be_reached_from_the_readme() -> None:
    waiting, seen = [ROOT / "README.md"], {ROOT / "README.md"}
    while waiting:
        page = waiting.pop()
        targets = (target.partition("#")[0] for target in links(page))
        pages = {(page.parent / name).resolve() for name in targets if name.endswith(".md")}
        waiting += pages - seen
        seen |= pages
    assert set(documents()) - seen == set()


def test_a_heading_becomes_the_anchor_that_readers_know(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("## `fedrecall data` and [a link](x.md)\n\n```sh\n# no heading\n```\n")
    assert anchors(page) == {"fedrecall-data-and-a-link"}
