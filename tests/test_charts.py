from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tools.maps.charts import draw_bars, draw_curve, draw_distributions, draw_rose

BLUE = np.array([0x00, 0x72, 0xB2])


def bars(ws, value, **more):
    edges = np.arange(len(value) + 1) * 10.0
    own = np.asarray(value, dtype=float)
    labels = {"title": "Things by latitude", "x_label": "latitude", "y_label": "things", **more}
    return draw_bars(
        ws,
        "bars",
        low_edges=edges[:-1],
        high_edges=edges[1:],
        value=own,
        low=0.5 * own,
        high=1.5 * own,
        **labels,
    )


def curve(ws, x, **more):
    up = np.asarray(x, dtype=float) / 10.0
    nulls = {"null_mean": up / 2, "null_low": up / 3, "null_high": up / 1.5}
    labels = {"title": "Nearness", "x_label": "distance, km", "y_label": "share"}
    return draw_curve(ws, "curve", x=x, value=up, **nulls, **labels, **more)


def pixels(path):
    with Image.open(path) as picture:
        assert picture.size == (1200, 700)
        return np.asarray(picture.convert("RGB")).astype(int)


def bluish(path):
    """Where the colour of the data stands, (700, 1200)."""
    return np.abs(pixels(path) - BLUE).sum(axis=-1) < 110


def test_higher_bars_hold_more_of_the_page(ws):
    shown = bluish(bars(ws, [1.0, 2.0, 4.0]))
    columns = np.flatnonzero(shown.any(axis=0))
    third = np.array_split(np.arange(columns[0], columns[-1] + 1), 3)
    heights = [shown[:, part].sum() for part in third]
    assert heights[0] * 1.7 < heights[1] < heights[2] / 1.7


def test_a_class_without_ground_is_hatched_and_one_without_rows_is_not(ws):
    full, none, unseen = (pixels(bars(ws, [3.0, middle, 3.0])) for middle in (3.0, 0.0, np.nan))
    hatch = [(np.abs(page - [0xE2, 0xE0, 0xDA]).sum(axis=-1) < 6).sum() for page in (full, none, unseen)]
    assert hatch[2] > 20_000 > 10 * max(hatch[:2])


def test_a_tiny_class_does_not_flatten_the_others(ws):
    edges = np.arange(4.0)
    page = bluish(
        draw_bars(
            ws,
            "bars",
            title="t",
            x_label="x",
            y_label="y",
            low_edges=edges[:-1],
            high_edges=edges[1:],
            value=[5.0, 0.0, 6.0],
            low=[3.0, 0.0, 4.0],
            high=[8.0, 9000.0, 9.0],
        )
    )
    assert page.sum(axis=0).max() > 100


def test_classes_of_very_different_widths_are_drawn_equally_wide(ws):
    ends = {"low_edges": [0.0, 0.1, 0.3], "high_edges": [0.1, 0.3, 20.0]}
    labels = {"title": "t", "x_label": "x", "y_label": "y"}
    same = {"value": [5.0] * 3, "low": [5.0] * 3, "high": [5.0] * 3}
    shown = bluish(draw_bars(ws, "bars", **labels, **ends, **same))
    columns = shown.sum(axis=0) > 100
    thirds = np.array_split(columns[np.flatnonzero(columns)[0] : np.flatnonzero(columns)[-1] + 1], 3)
    assert min(third.mean() for third in thirds) > 0.75


def test_a_rose_of_axes_is_the_same_upside_down_and_one_of_directions_is_not(ws):
    given = {"title": "Dunes", "azimuth_deg": [40.0, 42.0, 50.0], "weight": [1.0, 2.0, 1.0]}
    axial, directed = (bluish(draw_rose(ws, "rose", axial=way, **given))[:, :700] for way in (True, False))
    rows, columns = np.nonzero(directed)
    # North-east of the middle: that is the end of the sector nearest to the lower left.
    assert columns.max() - columns.min() > 60
    whole = np.nonzero(axial)[0]
    assert whole.min() == pytest.approx(rows.min(), abs=2)
    assert np.ptp(whole) == pytest.approx(2 * np.ptp(rows), rel=0.15)


def test_samples_stand_above_each_other(ws):
    rng = np.random.default_rng(0)
    path = draw_distributions(
        ws,
        "two",
        title="Elevation",
        x_label="m",
        groups={"L1": rng.normal(0, 1, 80), "L2": rng.normal(30, 1, 4000)},
    )
    page = pixels(path)
    blue = np.nonzero(page[..., 2] - page[..., 0] > 80)
    red = np.nonzero(page[..., 0] - page[..., 2] > 80)
    assert blue[0].mean() < red[0].mean()
    assert blue[1].mean() < red[1].mean()


@pytest.mark.parametrize(
    "draw",
    [
        lambda ws: bars(ws, []),
        lambda ws: bars(ws, [np.nan, np.nan]),
        lambda ws: curve(ws, []),
        lambda ws: curve(ws, [np.nan]),
        lambda ws: draw_rose(ws, "rose", title="t", azimuth_deg=[], weight=[]),
        lambda ws: draw_rose(ws, "rose", title="t", azimuth_deg=[np.nan, 3.0], weight=[1.0, 0.0]),
        lambda ws: draw_distributions(ws, "d", title="t", x_label="x", groups={"A": [], "B": [np.nan]}),
        lambda ws: draw_distributions(ws, "d", title="t", x_label="x", groups={}),
    ],
)
def test_without_anything_to_show_the_chart_says_so(ws, draw):
    page = pixels(draw(ws))
    ink = (page.sum(axis=-1) < 600)[300:400, 300:900]
    assert 50 < ink.sum() < 8000


def test_one_value_and_equal_values_are_drawn(ws):
    for values in ([5.0], [5.0] * 400, [0.0, 0.0]):
        draw_distributions(ws, "d", title="t", x_label="x", groups={"A": values, "B": []})
    curve(ws, [1.0], mark_x=1.0)
    bars(ws, [0.0])


def test_files_keep_their_names_apart_and_stay_inside(ws):
    paths = [curve(ws, [1.0, 2.0], mark_x=1.5, notes=("A note.",)) for _ in range(3)]
    assert [path.name for path in paths] == ["curve.png", "curve_2.png", "curve_3.png"]
    assert {path.parent for path in paths} == {ws.output}
    assert not list(ws.output.glob("*.part.png"))


def test_dollars_in_a_title_are_dollars(ws):
    # As mathematics "$^$" would be an error.
    path = bars(ws, [1.0], title="From $^$ to $5_{$", x_label="$\\frac$", notes=("$^$",))
    with Image.open(path) as picture:
        assert picture.text["Title"] == "From $^$ to $5_{$"
