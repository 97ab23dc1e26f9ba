import math
from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from agent.events import Step
from agent.evidence import MARK, check, mark


def step(figures: dict[str, float], layers: tuple[str, ...] = ("L1", "L2"), error: str = "") -> Step:
    return Step("q1s1", "search_words", {}, "", layers, figures, (), 0.1, error)


FIGURES = {
    "count": 41,
    "area_km2": 12034.6,
    "share": 0.4123,
    "p_value": 0.0003,
    "distance_km": 40.0,
    "min_lat_deg": -30.0,
    "lat_deg": 12.34,
    "lon_deg": -75.2,
    "median_elevation_m": -612.0,
    "region_area_km2": 1_234_567.0,
    "density": 3.2e-5,
    "coverage_percent": 87.5,
}

FINITE = st.floats(-1e12, 1e12, allow_nan=False).filter(lambda x: x == 0 or abs(x) > 1e-9)


@given(
    figure=FINITE | st.integers(-(10**12), 10**12), digits=st.integers(0, 6), style=st.sampled_from("f,e×")
)
def test_a_figure_is_supported_however_it_is_rounded(figure: float, digits: int, style: str) -> None:
    assume(style not in "e×" or figure)
    text = written(figure, digits, style)
    evidence = check(f"It is {text}, as measured.", [step({"value": figure})], "")
    assert evidence.checked == 1
    assert evidence.unsupported == ()


@given(
    figure=FINITE | st.integers(-(10**12), 10**12),
    digits=st.integers(0, 6),
    off=st.integers(2, 500),
    sign=st.sampled_from([-1, 1]),
)
def test_a_changed_number_is_not_supported(figure: float, digits: int, off: int, sign: int) -> None:
    wrong = round(figure, digits) + sign * off / 10**digits
    # Where floats are coarser than the digits written, nothing was changed.
    assume(math.ulp(max(abs(wrong), abs(figure))) < 0.01 / 10**digits)
    text = f"{wrong:.{digits}f}"
    evidence = check(f"It is {text}, as measured.", [step({"value": figure})], "")
    assert evidence.unsupported == (text,)


@given(
    share=st.floats(0, 1),
    digits=st.integers(0, 4),
    sign=st.sampled_from(["%", " %", " percent", " per cent"]),
)
def test_a_share_may_be_written_as_percent(share: float, digits: int, sign: str) -> None:
    text = f"{100 * share:.{digits}f}{sign}"
    assert check(f"That is {text}.", [step({"share": share})], "").unsupported == ()


@given(metres=st.integers(-9000, 30000), digits=st.integers(0, 3))
def test_metres_may_be_written_as_km(metres: int, digits: int) -> None:
    text = f"At {metres / 1000:.{digits}f} km."
    assert check(text, [step({"elevation_m": metres})], "").unsupported == ()


@given(st.text(st.sampled_from("0123456789.,-–−+eE×^% km²°[]L \n(~<") | st.characters(), max_size=80))
def test_no_text_breaks_the_check_and_marks_only_add(answer: str) -> None:
    evidence = check(answer, [step(FIGURES)], "north of 30")
    marked = mark(answer, evidence)
    assert len(evidence.unsupported) >= marked.count(MARK) - answer.count(MARK)
    assert marked.replace(f" {MARK}", "") == answer.replace(f" {MARK}", "")


SUPPORTED = [
    "41 tiles [L1] and [L1, L2].",
    "p = 0.0003, p < 0.001, p below 0.05",
    "41 %, 41.2 percent, 0.41, 87.5 %",
    "12,034.6 km², 12\u202f034.6 km², 12,035 km2, about 12,000 km², ~12,030 km², 1.2 million km²",
    "about 1.23 million square kilometres, 12,035 square kilometers, 40 kilometres, 612 metres deep",
    "within 40 km, 40km, 40,000 m, 40.0 km",
    "latitude 12.3°, longitude −75.2°, 75.2° W, 284.8° E; north of -30 degrees or 30° S",
    "612 m below the datum, -0.6 km, at −612 m",
    "3.2e-5, 3.2E-05, 3.2×10⁻⁵, 3.2 × 10^-5 and 3.2 · 10^{-5} per km²",
    "40–40 km and from 40 to 40.0 km",
    "1. First\n2) Second\n (3) Third\n> 4. Fourth",
    "two of the three layers, the 10th percentile, the 1st quartile",
    "tile 16km-r012c034 of L7 in map_L9.png, hits-2026.gpkg and B04.tif",
    "CO2 and H2O",
    "No numbers at all.",
    "",
]


@pytest.mark.parametrize("answer", SUPPORTED)
def test_what_is_supported(answer: str) -> None:
    assert check(answer, [step(FIGURES)], "").unsupported == ()


UNSUPPORTED = [
    ("42 tiles", "42"),
    ("41 tiles within 12 km", "12 km"),
    ("40 tiles within 40 km", "40"),
    ("12,000 km² in all", "12,000 km²"),
    ("41.3 %", "41.3 %"),
    ("87.6 percent", "87.6 percent"),
    ("40 %", "40 %"),
    ("p < 0.0001", "< 0.0001"),
    ("40 m away", "40 m"),
    ("12.4° N", "12.4°"),
    ("612 m above the datum", "612 m"),
    ("about 1,400 tiles", "about 1,400"),
    ("1.3 million km²", "1.3 million km²"),
    ("3.3e-5", "3.3e-5"),
    ("4e999 and more", "4e999"),
    ("41 km", "41 km"),
    ("40°", "40°"),
    ("see [L9]", "[L9]"),
    ("10. of 43 rows", "43"),
]


@pytest.mark.parametrize(("answer", "text"), UNSUPPORTED)
def test_what_is_not(answer: str, text: str) -> None:
    evidence = check(answer, [step(FIGURES)], "")
    assert evidence.unsupported == (text,)
    assert f"{text} {MARK}" in mark(answer, evidence)


def test_a_number_of_the_question_may_be_repeated_in_its_unit() -> None:
    question = "Cones within 55 km of channels, north of 23 degrees?"
    assert check("Within 55 km, north of 23°.", [], question).unsupported == ()
    assert check("55 channels.", [], question).unsupported == ()
    assert check("55 % of them.", [], question).unsupported == ("55 %",)


def test_what_the_model_was_shown_counts() -> None:
    rows = ({"row_id": "a", "lat": 12.34, "probability": 0.93},)
    briefs = ({"id": "L1", "count": 77, "lat_range_deg": [-3.5, 8.25]},)
    shown = Step("q1s1", "search_words", {}, "", ("L1",), {}, (), 0.1, layers=briefs, table=rows)
    answer = "The best of 77 lies at 12.3° N with 0.93; they reach from -3.5 to 8.25 degrees."
    assert check(answer, [shown], "").unsupported == ()
    assert check("Of 700 tiles", [], "", known=[700]).unsupported == ()
    assert check("Of 701 tiles", [], "", known=[700]).unsupported == ("701",)


def test_a_failed_step_supports_nothing() -> None:
    failed = step({"count": 41}, layers=(), error="no")
    assert check("41 tiles [L1]", [failed], "").unsupported == ("41", "[L1]")


def test_nulls_and_infinities_among_the_figures_are_skipped() -> None:
    odd = step({"ratio": math.inf, "none": None, "yes": True, "count": 2})  # type: ignore[dict-item]
    assert check("2 and 1", [odd], "").unsupported == ("1",)


def test_citations_come_once_each_in_order() -> None:
    evidence = check("A [L2]. B [L1; L2]. C [L5].", [step({})], "")
    assert evidence.citations == ("L2", "L1")
    assert evidence.unsupported == ("[L5]",)
    assert evidence.checked == 0


def test_marks_stand_where_the_number_stands() -> None:
    answer = "There are 41 tiles, 43 cones and 43 more, about 12,000 km² but not 12,000 km² [L1, L8]."
    marked = mark(answer, check(answer, [step(FIGURES)], ""))
    assert marked == (
        f"There are 41 tiles, 43 {MARK} cones and 43 {MARK} more, about 12,000 km² but not 12,000 km² {MARK} "
        f"[L1, L8] {MARK}."
    )


def written(figure: float, digits: int, style: str) -> str:
    styles: dict[str, Callable[[], str]] = {
        "f": lambda: f"{figure:.{digits}f}",
        ",": lambda: f"{figure:,.{digits}f}",
        "e": lambda: f"{figure:.{digits}e}",
        "×": lambda: "{} × 10^{}".format(*f"{figure:.{digits}e}".split("e")),
    }
    return styles[style]()


def test_a_figure_at_another_threshold_keeps_its_unit() -> None:
    figures = {"chance_percent_at_0.60": 51.8, "chance_percent_at_0.70": 50.1, "km_at_0.60": 7.5}
    assert not check(
        "At both stricter thresholds the chance is 51.8 and 50.1 %.", [step(figures)], ""
    ).unsupported
    assert check("It is 51.8 km, or 7.5 %.", [step(figures)], "").unsupported == ("51.8 km", "7.5 %")


def run_of_two_tests() -> list[Step]:
    """Three searches, two of them tested against the first, and the same tested again by another null."""
    titles = {"L1": "pitted cones", "L2": "outflow channel", "L3": "sand dunes"}
    searches = [
        Step(layer, "search_words", {"text": text}, "", (layer,), {"count": 90}, (), 0.1)
        for layer, text in titles.items()
    ]
    said = {
        ("L2", None): ("L1 lies nearer to L2 than chance allows.", 0.002, 79.5),
        ("L3", None): ("L1 lies neither nearer to L3 nor farther from it than chance allows.", 0.31, 12.5),
        ("L2", "strata"): ("L1 lies nearer to L2 than chance allows.", 0.017, 80.5),
    }
    tests = [
        Step(
            f"{other}{null}",
            "associate",
            {"layer": "L1", "other": other} | ({"null": null} if null else {}),
            verdict,
            (),
            {"p_value": p, "near_percent": share, "distance_km": 40.0},
            (),
            0.1,
        )
        for (other, null), (verdict, p, share) in said.items()
    ]
    axes = {"p_value": 0.04, "mean_azimuth_deg": 81.0}
    turned = "The 90 directions of L1 have a mean axis: no common direction beyond chance."
    return [*searches, *tests, Step("o", "orientation", {"layer": "L1"}, turned, (), axes, (), 0.1)]


@pytest.mark.parametrize(
    ("answer", "true"),
    [
        ("Pitted cones lie nearer to outflow channels than chance allows (p = 0.002) [L1, L2].", True),
        ("Pitted cones are not associated with sand dunes, p = 0.31 [L1, L3].", True),
        ("Pitted cones lie nearer to outflow channels than chance allows (p = 0.31) [L1, L2].", False),
        ("Sand dunes lie nearer to outflow channels than chance allows [L1, L2].", False),
        ("Pitted cones are associated with sand dunes [L1, L2].", False),
        ("With the null model “strata” pitted cones lie near outflow channels, p = 0.017 [L1, L2].", True),
        ("With the null model “strata” pitted cones lie near outflow channels, p = 0.002 [L1, L2].", False),
        ("Pitted cones lie within 80 km of outflow channels, p = 0.002 [L1, L2].", False),
        ("Pitted cones are not aligned, p = 0.04 [L1].", True),
        ("Pitted cones are not aligned, p = 0.002 [L1].", False),
        ("More than 79 % of pitted cones lie near outflow channels [L1, L2].", True),
        ("Fewer than 79 % of pitted cones lie near outflow channels [L1, L2].", False),
        ("Of 90 tiles with pitted cones, 90 lie near outflow channels [L1, L2].", False),
    ],
)
def test_a_figure_belongs_to_the_test_that_a_sentence_names(answer: str, true: bool) -> None:
    assert (check(answer, run_of_two_tests(), "").unsupported == ()) == true


def run_of_four() -> list[Step]:
    """Two searches, which of the first lie near the second, and the test of that."""
    near: dict[str, float] = {
        "count": 150,
        "of_count": 195,
        "other_count": 254,
        "features": 73,
        "distance_km": 40,
    }
    tested = {
        "near_count": 64,
        "tested_count": 81,
        "near_percent": 79,
        "expected_percent": 17.6,
        "p_value": 0.002,
    }
    verdict = "L1 lies nearer to L2 than chance allows. 64 of 81 features."
    pair = {"layer": "L1", "other": "L2"}
    return [
        Step("a", "search_words", {"text": "cones"}, "", ("L1",), {"count": 195, "features": 81}, (), 0.1),
        Step("b", "search_words", {"text": "channel"}, "", ("L2",), {"count": 254, "features": 66}, (), 0.1),
        Step("c", "near", pair, "", ("L3",), near, (), 0.1),
        Step("d", "associate", pair, verdict, (), tested, (), 0.1),
    ]


TRUE = [
    "195 tiles with cones [L1] and 254 with channels [L2].",
    "Of 195 tiles with cones, 150 lie within 40 km of a channel [L3].",
    "Cones are associated with channels: 79 % lie near, more than the 17.6 % expected by chance [L1, L2].",
    "A count of neighbours is no proof of an association.",
    "The 195 tiles form 81 features [L1].",
]
FALSE = [
    "254 tiles with cones [L1] and 195 with channels [L2].",
    "195 tiles lie near [L3].",
    "Of 150 tiles with cones, 195 lie within 40 km of a channel [L3].",
    "150 tiles lie farther than 40 km from a channel [L3].",
    "The 81 tiles form 195 features [L1].",
    "79 % lie near, less than the 17.6 % expected by chance [L1, L2].",
    "Cones are not associated with channels [L1, L2].",
    "It cannot be told whether cones are associated with channels [L1, L2].",
    "Cones avoid channels [L1, L2].",
    "All of the cones lie near channels [L3].",
    "None of the cones are near channels [L3].",
    "Cones lie near channels in Arcadia Planitia [L3].",
    "Cones lie near channels (p = 0.04) [L1, L2].",
]


@pytest.mark.parametrize("answer", TRUE)
def test_true_statements_of_a_run_pass(answer: str) -> None:
    assert check(answer, run_of_four(), "").unsupported == ()


@pytest.mark.parametrize("answer", FALSE)
def test_false_statements_of_a_run_are_marked(answer: str) -> None:
    evidence = check(answer, run_of_four(), "")
    assert evidence.unsupported
    assert MARK in mark(answer, evidence)


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        ("Yardangs in Wind region 10 are found on 130 tiles [L1].", ()),
        ("10 are found on 130 tiles [L1].", ("10",)),
        ("130 tiles lie within 40 km of channels and farther than 60 km from lava flows [L1].", ()),
        ("“200 south” is no latitude.", ()),
        ("200 south of the equator.", ("200",)),
    ],
)
def test_digits_of_names_and_of_quoted_words_state_nothing(answer: str, wrong: tuple[str, ...]) -> None:
    question = "Yardangs in Wind region 10, 40 km and more than 60 km off, at latitude 200 S?"
    limits = {"layer": "L0", "place": "Wind region 10"}
    done = Step("q1s1", "filter_layer", limits, "", ("L1",), {"count": 130}, (), 0.1, "")
    assert check(answer, [done], question).unsupported == wrong
