"""Evaluations as text for a person. The same figures are in the JSON, with more beside them."""

from __future__ import annotations

from typing import Any

Json = Any


def landforms_text(report: dict[str, Json]) -> str:
    """A line per landform, the macro figures with their intervals, and the baselines under the same rules."""
    lines = [
        f"{report['index']}: {report['tiles']:,} tiles of {report['tile_km']:g} km, "
        f"encoder {report['encoder']}",
        "",
        f"{'landform':24}{'support':>8}{'AP':>7}{'F1':>7}{'95 %':>15}{'precision':>11}{'recall':>8}"
        f"{'oracle':>8}",
    ]
    for key, row in report["landforms"].items():
        span = f"{_number(row['f1_low'])}–{_number(row['f1_high'])}"
        lines.append(
            f"{key:24}{row['support']:8d}{row['ap']:7.3f}{row['f1']:7.3f}{span:>15}"
            f"{row['precision']:11.3f}{row['recall']:8.3f}{row['f1_oracle']:8.3f}"
        )
    lines += ["", f"{'macro':24}{'AP':>7}{'95 %':>15}{'F1':>7}{'95 %':>15}"]
    for name, row in {"search by words": report, **report["baselines"]}.items():
        ap_span = f"{_number(row['macro_ap_low'])}–{_number(row['macro_ap_high'])}"
        f1_span = f"{_number(row['macro_f1_low'])}–{_number(row['macro_f1_high'])}"
        lines.append(f"{name:24}{row['macro_ap']:7.3f}{ap_span:>15}{row['macro_f1']:7.3f}{f1_span:>15}")
    lines += [
        "",
        f"best F1 {_number(report['best_f1'])} ({report['best_landform']}); macro F1 with thresholds chosen "
        f"on the truth {_number(report['macro_f1_oracle'])}",
        *_clear(report.get("clear_tiles")),
        f"calibration error {_number(report['ece'])} over all tiles and landforms, "
        f"{_number(report['ece_adaptive'])} in bins of equal numbers, "
        f"{_number(report['ece_likely'])} where the probability is 0.05 or more",
    ]
    if report["absent_queries"]:
        flagged = f"{report['absent_queries_flagged']} of {report['absent_queries']}"
        lines.append(f"searches for absent things that came back empty: {flagged}")
    if report["paraphrase_share"] is not None:
        lines.append(
            f"F1 of {report['paraphrases']} paraphrases, as a share of the term's own: "
            f"{_number(report['paraphrase_share'])}"
        )
    if report["not_on_planet"]:
        lines.append("on no tile, and so not judged: " + ", ".join(report["not_on_planet"]))
    return "\n".join(lines)


def _clear(figures: dict[str, Json] | None) -> list[str]:
    if figures is None:
        return []
    span = f"{_number(figures['macro_f1_low'])}–{_number(figures['macro_f1_high'])}"
    return [
        f"without tiles that show a landform only in part: macro F1 {_number(figures['macro_f1'])} ({span}), "
        f"best {_number(figures['best_f1'])} ({figures['best_landform']})"
    ]


def associations_text(report: dict[str, Json]) -> str:
    """The headline figures, then a line per question that was answered wrongly or not at all."""
    alpha = report["alpha"]
    lines = [
        f"{report['pairs']:,} pairs of independent clustered patterns, {report['shifts']} shifts, "
        f"level {100 * alpha:g} %",
        f"{'false alarms':32}{_percent(report, 'false_alarm_rate', 'false_alarm')}",
        f"{'  with the naive uniform null':32}{100 * report['naive_false_alarm_rate']:5.1f} %",
        f"{'  of patterns of few clusters':32}{100 * report['few_clusters']['both']['share']:5.1f} %",
        "",
        f"catalogues of {report['planets']} synthetic planets from seed {report['seed']}",
        *_answers(report),
    ]
    if report["detections"]:
        lines += ["", "on what searches found, " + ", ".join(report["detections"]["indexes"])]
        lines += _answers(report["detections"])
    return "\n".join(lines)


def _answers(report: dict[str, Json]) -> list[str]:
    lines = []
    for words, name in (
        ("true processes found", "power"),
        ("  of those that could be told", "power_told"),
        ("false friends rejected", "false_friends_rejected"),
        ("landforms placed by nothing", "nulls_rejected"),
    ):
        if report[name] is not None:
            lines.append(f"{words:32}{_percent(report, name, name)} of {report[f'{name}_n']}")
    wrong = [row for row in report["table"] if not row["right"]]
    if wrong:
        lines += ["", "not answered rightly:"]
        head = f"{'planet':>6}  {'landform':22}{'depends on':22}{'kind':14}{'worth':>6}{'effect':>8}"
        lines.append(f"{head}{'p':>8}{'q':>8}  verdict")
    for row in wrong:
        figures = f"{_number(row['effect']):>8}{_number(row['p']):>8}{_number(row['q']):>8}"
        lines.append(
            f"{row['planet']:6d}  {row['landform']:22}{row['depends_on']:22}{row['kind']:14}"
            f"{row['clusters'] or 0:6.0f}{figures}  {row['verdict']}"
        )
    return lines


def _percent(report: dict[str, Json], name: str, ends: str) -> str:
    low, high = 100 * report[f"{ends}_low"], 100 * report[f"{ends}_high"]
    return f"{100 * report[name]:5.1f} % ({low:.1f}–{high:.1f})"


def marsretrieval_text(report: dict[str, Json]) -> str:
    """A paragraph per task and data set."""
    lines = [f"encoder {report['encoder']}, {report['templates']} templates"]
    for name, row in report["paired"].items():
        lines += ["", f"paired retrieval, {name}: {row['pairs']:,} pairs"]
        for way in ("image_to_text", "text_to_image"):
            lines += [_ranks(way.replace("_", " "), row[way]), _ranks("  random", row["random"][way])]
    for name, row in report["landforms"].items():
        lines += [
            "",
            f"landform retrieval, {name}: {row['pictures']:,} pictures, {len(row['classes'])} classes",
        ]
        for title, figures in (("search by words", row), ("  random", row["random"])):
            lines.append(
                f"{title:18}mAP {_number(figures['map'])}  R-precision {_number(figures['r_precision'])}  "
                f"nDCG@10 {_number(figures['ndcg_10'])}  Hit@10 {_number(figures['hit_10'])}"
            )
    where = report.get("geolocalization")
    if where:
        lines += [
            "",
            f"geo-localization on {where['index']}: {where['tiles']:,} tiles",
            f"{'':24}{'as published':>14}",
        ]
        lines[-1] += f"{'random':>8}{'strict':>8}{'random':>8}{'AUPRC':>8}"
        for name, row in where["classes"].items():
            f1 = (row["published"]["f1"], row["random"]["published"]["f1"], row["strict"]["f1"])
            lines.append(
                f"{name:24}{f1[0]:14.3f}{f1[1]:8.3f}{f1[2]:8.3f}{row['random']['strict']['f1']:8.3f}"
                f"{row['published']['auprc']:8.3f}"
            )
    return "\n".join(lines)


def _ranks(title: str, row: dict[str, float]) -> str:
    return (
        f"{title:18}R@1 {_number(row['r_1'])}  R@10 {_number(row['r_10'])}  MRR {_number(row['mrr'])}  "
        f"median rank {row['median_rank']:g}"
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
