"""Every page answers with what it promises, and only to whom it may."""

import re

import httpx
import pytest

from tests.console.conftest import Browser
from tests.console.happenings import score_element_c1

PAGES = (
    "/console/", "/console/?words=c1&state=ok&sort=share&down=1&page=7", "/console/grid",
    "/console/grid?under=t&as=tree",
    "/console/element?id=c1", "/console/element?id=t&phase=2", "/console/group?id=north-c1",
    "/console/group?id=north-c2&kind=OPTIMUM", "/console/negotiations", "/console/providers", "/console/limits",
    "/console/quality", "/console/audit", "/console/decision?no=1", "/console/negotiation?no=1&replay=1",
    "/console/negotiation?no=2", "/console/complaints",
)  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
async def test_a_viewer_sees_every_page(looker, path):
    answer = await looker.get(path)

    assert answer.status_code == 200, answer.text[:500]
    assert "<h1" in answer.text
    assert "None" not in re.sub(r"<[^>]*>", "", answer.text).replace("None: ", "")


@pytest.mark.parametrize(
    "path", [*PAGES, "/console/element/series?id=c1", "/console/audit/export.csv", "/console/live"]
)
async def test_nobody_sees_a_page_without_signing_in(stranger, path):
    answer = await stranger.get(path)

    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/console/sign-in?next=")


@pytest.mark.parametrize("path", [*PAGES[:6], "/console/sign-in"])
async def test_a_page_needs_nothing_from_elsewhere_and_no_inline_code(looker, path):
    answer = await looker.get(path)

    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=", answer.text)
    assert not re.search(r"""(?:src|href|action)=["'](?:https?:)?//""", answer.text)


async def test_what_is_not_there_is_said_so(looker):
    for path in ("/console/element?id=nothing", "/console/group?id=x", "/console/decision?no=99", "/console/nothing",
                 "/console/negotiation?no=99", "/console/element"):  # fmt: skip
        answer = await looker.get(path)
        assert answer.status_code == 404, path
        assert "Not found" in answer.text


async def test_names_are_never_taken_for_html(looker):
    answer = await looker.get("/console/?words=%22%3E%3Cscript%3Ealert(1)%3C/script%3E")

    assert "<script>alert" not in answer.text


async def test_the_element_page_spells_the_tightest_quarter_out(looker):
    answer = await looker.get("/console/element?id=c1")

    assert re.search(r"limit [\d.]+ kW − forecast −?[\d.]+ kW − margin [\d.]+ kW = headroom", answer.text)
    assert "north-c1" in answer.text


async def test_the_table_of_an_element_goes_back_as_far_as_its_chart(looker):
    short = (await looker.get("/console/element?id=c1")).text
    whole = (await looker.get("/console/element?id=c1&rows=all")).text

    assert "rows=all" in short
    assert whole.count('<tr class="past">') == 192
    assert short.count('<tr class="past">') == 16


async def test_a_chart_gets_every_layer_with_one_value_a_quarter(looker):
    told = (await looker.get("/console/element/series?id=c1&phase=1")).json()

    lengths = {
        len(told[k]) for k in ("measured", "load", "used", "lower", "median", "upper", "limit", "headroom", "why")
    }
    assert lengths == {192 + 120}
    assert [s["name"] for s in told["shares"]] == ["north-c1", "harbour-c1"]
    group = (await looker.get("/console/group/series?id=north-c1")).json()
    assert set(group["lines"]) == {
        "CONSUMPTION", "GENERATION", "FALLBACK_CONSUMPTION", "FALLBACK_GENERATION", "OPTIMUM",
    }  # fmt: skip


async def test_the_chart_library_comes_from_here_packed_and_is_kept_for_ever(looker):
    page = await looker.get("/console/element?id=c1")
    path = re.search(r"/console/assets/plotly-[\d.]+\.js", page.text).group()

    answer = await looker.get(path, headers={"accept-encoding": "gzip"})

    assert answer.headers["content-encoding"] == "gzip"
    assert "immutable" in answer.headers["cache-control"]
    assert len(answer.content) > 4_000_000
    assert (await looker.get("/console/assets/..%2frouter.py")).status_code == 404


async def test_the_log_can_be_taken_away_as_csv_and_json(viewer):
    table = (await viewer.get("/console/audit/export.csv")).text.splitlines()
    lines = (await viewer.get("/console/audit/export.json?decisions=no")).text.splitlines()

    assert table[0] == "at,who,what,about,detail"
    assert any("decided: cycle" in row for row in table)
    assert len(lines) == 2
    assert not any("decided" in line for line in lines)


async def test_a_cell_of_the_csv_is_never_a_formula(world, viewer):
    await world.pool.execute("insert into act (at, who, what) values (now(), '=cmd()', '@x')")

    table = (await viewer.get("/console/audit/export.csv?decisions=no")).text

    assert '"\'=cmd()"' in table
    assert '"\'@x"' in table


async def test_the_filter_of_the_log_finds_who_and_what(world, viewer):
    await world.pool.execute("insert into act (at, who, what, about) values (now(), 'eve', 'did it', 'element/c1')")

    found = (await viewer.get("/console/audit?who=eve&words=DID&about=element/c1")).text
    none = (await viewer.get("/console/audit?who=nobody")).text

    assert "did it" in found
    assert 'href="/console/element?id=c1"' in found
    assert "Nothing fits." in none


async def test_programs_get_refusals_as_json(stranger):
    answer = await stranger.get("/console/element/series?id=c1", headers={"accept": "application/json"})

    assert (answer.status_code, answer.json()) == (401, {"detail": "sign in first"})


async def test_an_empty_grid_says_what_to_do(pool):
    from ampacity.people import Role
    from tests.console.conftest import signed_in
    from tests.console.world import build, wall
    from tests.operations.people import person

    world = build(pool)
    await person(pool, "vi", Role.VIEWER, wall)
    viewer: Browser = await signed_in(world, "vi")

    for path in ("/console/", "/console/grid", "/console/providers", "/console/quality", "/console/limits"):
        answer: httpx.Response = await viewer.get(path)
        assert answer.status_code == 200, path
    assert "ampacity import" in (await viewer.get("/console/")).text


async def test_the_margins_calibration_is_shown_by_quantile_from_stored_scores(world, viewer):
    before = (await viewer.get("/console/element?id=c1")).text
    await score_element_c1(world.pool)

    page = (await viewer.get("/console/element?id=c1")).text
    other = (await viewer.get("/console/element?id=c2")).text
    overall = (await viewer.get("/console/quality")).text

    assert "Not scored yet" in before
    assert "Calibration of its margin" in page
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))
    assert re.search(r"▲ above 99 % 1 % 0.00 %", text)
    assert re.search(r"▼ below 5 % 5 % ■ 33.33 %", text)
    assert re.search(r"▼ below 5 % 5 % 0.00 %", re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", other)))
    assert re.search(r"11.11 %", overall)
    assert "288 quarter hours" in text


async def test_the_overview_tells_age_quality_and_who_is_offline(world, viewer):
    await score_element_c1(world.pool, came_w=250.0)
    await world.pool.execute("insert into peer (provider_no, state, state_since) values (0, 'offline', now())")

    page = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", (await viewer.get("/console/")).text))

    assert re.search(r"c1 ● ok .* kW newest ■ 33.3 % 2 groups harbour ○ never invited , north ▲ offline", page)
    assert re.search(r"c2 ● ok .* kW newest 0.0 % 1 group north ▲ offline", page)
