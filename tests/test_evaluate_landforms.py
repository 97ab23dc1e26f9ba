"""Every landform by words: on a picture code whose answer is known, and by the verb on a small Lowell."""

import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cli
from prompts import DEV_QUERIES_FOLDER, QUERIES_FOLDER, load_prompts
from retrieval.corpus.lowell import LowellSource
from retrieval.corpus.wording import TERMS
from retrieval.errors import IndexFolderError, SettingsError
from retrieval.evaluate.bootstrap import draw_blocks, resampled_average_precision
from retrieval.evaluate.landforms import evaluate_landforms, lowell_labels, read_queries
from retrieval.evaluate.report import landforms_text
from retrieval.index import TileIndex
from tests.fakes import LANDFORMS, PatternEncoder, PatternSource


@pytest.fixture
def labels(tiny_index: TileIndex, pattern_source: PatternSource) -> pd.DataFrame:
    table = pattern_source.labels(tiny_index.grid)
    return table.iloc[tiny_index.tiles.numbers].reset_index(drop=True)


def judge(index: TileIndex, encoder: PatternEncoder, labels: pd.DataFrame, **given: object) -> dict:
    return evaluate_landforms(index, encoder, labels, LANDFORMS, ["{}"], resamples=100, **given)


def test_a_code_that_can_be_read_is_found(
    tiny_index: TileIndex, pattern_encoder: PatternEncoder, labels: pd.DataFrame
) -> None:
    report = judge(
        tiny_index,
        pattern_encoder,
        labels,
        paraphrases={"gullies": ["gully", "zyzzyva"], "no_such": ["x"]},
        absent=["shopping malls"],
    )
    assert set(report["landforms"]) == set(LANDFORMS) - {"plains"}
    assert report["macro_ap"] > 0.95
    assert report["macro_f1_low"] <= report["macro_f1"] <= report["macro_f1_high"]
    assert report["macro_f1"] <= report["macro_f1_oracle"]
    gullies = report["landforms"]["gullies"]
    assert gullies["support"] == labels["gullies"].sum()
    assert gullies["prevalence"] == pytest.approx(labels["gullies"].mean())
    assert gullies["ap_low"] <= gullies["ap"] <= gullies["ap_high"]
    assert report["best_f1"] == max(row["f1"] for row in report["landforms"].values())
    assert report["macro_f1"] == pytest.approx(np.mean([row["f1"] for row in report["landforms"].values()]))
    baselines = report["baselines"]
    assert baselines["random"]["macro_f1"] < 0.2
    assert baselines["every_tile"]["landforms"]["gullies"]["ap"] == pytest.approx(gullies["prevalence"])
    assert baselines["every_tile"]["landforms"]["gullies"]["recall"] == 1.0
    assert baselines["linear_probe"]["macro_ap"] > 0.5
    assert baselines["bare_cosine"]["macro_ap"] == pytest.approx(report["macro_ap"])  # "{}" is the bare term
    assert report["plains"]["support"] == labels["plains"].sum()
    # "gully" is the same code; an unknown word is another direction and finds no gully.
    first, second = report["paraphrase_details"]
    assert first["share"] == pytest.approx(1.0)
    assert report["paraphrase_share"] == pytest.approx((first["share"] + second["share"]) / 2)
    assert report["paraphrases"] == 2
    assert 0 <= report["ece"] <= 1
    assert report["absent_queries"] == 1
    assert report["absent_queries_flagged"] == (report["absent_hits"]["shopping malls"] == 0)
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    text = landforms_text(report)
    assert "gullies" in text
    assert "linear_probe" in text


def test_the_same_seed_gives_the_same_figures(
    tiny_index: TileIndex, pattern_encoder: PatternEncoder, labels: pd.DataFrame
) -> None:
    few = labels[["gullies", "lava_flow"]]
    assert judge(tiny_index, pattern_encoder, few, seed=3) == judge(tiny_index, pattern_encoder, few, seed=3)


def test_tiles_that_show_a_landform_in_part_can_be_left_out(
    tiny_index: TileIndex, pattern_encoder: PatternEncoder, labels: pd.DataFrame
) -> None:
    # Half of the gullies are called partial: found, they are wrong; left out, they are neither.
    partly = labels & False
    rows = np.flatnonzero(labels["gullies"])[::2]
    partly.loc[rows, "gullies"] = True
    whole = labels & ~partly
    report = judge(tiny_index, pattern_encoder, whole, partly=partly)
    strict, clear = report["landforms"]["gullies"], report["clear_tiles"]["landforms"]["gullies"]
    assert clear["precision"] > strict["precision"]
    assert clear["recall"] == strict["recall"]
    assert clear["ap"] > strict["ap"]
    assert report["clear_tiles"]["landforms"]["chaos"]["f1"] == report["landforms"]["chaos"]["f1"]
    assert report["clear_tiles"]["left_out"] == len(rows)
    assert "only in part" in landforms_text(report)


def test_what_is_not_on_the_planet_is_named_and_left_out(
    tiny_index: TileIndex, pattern_encoder: PatternEncoder, labels: pd.DataFrame
) -> None:
    gone = labels.assign(chaos=False)
    report = judge(tiny_index, pattern_encoder, gone)
    assert report["not_on_planet"] == ["chaos"]
    assert "chaos" not in report["landforms"]
    assert report["absent_queries_flagged"] is None
    assert report["paraphrase_share"] is None
    landforms_text(report)
    with pytest.raises(IndexFolderError, match="no landform"):
        judge(tiny_index, pattern_encoder, labels[["plains"]])


def test_only_lowell_has_a_truth(tiny_index: TileIndex) -> None:
    with pytest.raises(IndexFolderError, match="truth is unknown"):
        lowell_labels(tiny_index)


def test_intervals_of_thirty_landforms_take_seconds() -> None:
    rng = np.random.default_rng(0)
    draws = draw_blocks(rng.integers(0, 400, 9771), 1000, seed=0)
    scores, truth = rng.random(9771), rng.random(9771) < 0.05
    start = time.process_time()
    resampled_average_precision(scores, truth, draws)
    assert time.process_time() - start < 2.0  # 30 of them under a minute on any machine; 0.2 s here


def bare(text: str) -> str:
    return re.sub(r"^(a|an|the) ", "", text.lower().strip())


@pytest.mark.parametrize(
    ("folder", "said", "not_there"), [(QUERIES_FOLDER, 101, 40), (DEV_QUERIES_FOLDER, 100, 20)]
)
def test_paraphrases_are_no_training_phrases(folder: Path, said: int, not_there: int) -> None:
    paraphrases, absent = read_queries(folder)
    texts = [text.lower() for group in paraphrases.values() for text in group]
    assert len(paraphrases) == 30
    assert len(texts) == len(set(texts)) == said
    assert min(len(group) for group in paraphrases.values()) >= 2
    assert len(set(absent)) == not_there
    glossary = load_prompts().glossary
    assert set(paraphrases) <= {term.key for term in glossary}
    taught = {bare(text) for group in TERMS.values() for text in group}
    taught |= {bare(text) for term in glossary for text in (term.term, term.plural, *term.synonyms)}
    for text in texts:
        assert not [phrase for phrase in taught if bare(text) in phrase]
        # Nor does one hide in it, single words such as "dunes" aside.
        hidden = [
            phrase for phrase in taught if " " in phrase and re.search(rf"\b{re.escape(phrase)}\b", text)
        ]
        assert not hidden, f"{text!r} holds {hidden}"


def test_queries_that_are_none(tmp_path: Path) -> None:
    assert read_queries(tmp_path) == ({}, [])
    (tmp_path / "absent.txt").write_text("# no\n\nmalls\n")
    assert read_queries(tmp_path) == ({}, ["malls"])
    for text in ("- a\n- b\n", "a: {b: c}\n", "a: [1, 2]\n", "a: [b\n"):
        (tmp_path / "paraphrases.yaml").write_text(text)
        with pytest.raises(SettingsError, match=r"paraphrases|queries"):
            read_queries(tmp_path)


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.setenv("AREOGRAPHER_HOME", str(tmp_path))
    (tmp_path / "settings.toml").write_text("workers = 1\n")
    # One tile in eighty of the planet: drawing all of it takes minutes.
    monkeypatch.setattr(LowellSource, "candidates", lambda self, grid: np.arange(0, len(grid), 80))

    def call(*argv: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["areographer", "evaluate", "landforms", *argv])
        capfd.readouterr()
        status = cli.run()
        out, err = capfd.readouterr()
        return status, out, err

    return call


def test_the_verb_makes_a_planet_and_judges_it(
    run: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    few = tmp_path / "queries"
    few.mkdir()
    (few / "absent.txt").write_text("parked cars\n")
    (few / "paraphrases.yaml").write_text("degraded_crater: [battered impact depression]\n")
    quick = ("--queries", str(few), "--resamples", "20")
    status, out, err = run("--seed", "3", *quick, "--json")
    assert status == 0, err
    report = json.loads(out)
    wanted = {"macro_f1", "macro_f1_oracle", "macro_ap", "best_f1", "ece", "landforms", "paraphrase_share"}
    wanted |= {"absent_queries_flagged", "baselines", "seed", "encoder", "tiles"}
    assert wanted <= report.keys()
    assert report["seed"] == 3
    assert report["tiles"] > 100
    assert report["absent_queries"] == report["paraphrases"] == 1
    made = tmp_path / "indexes" / "lowell-3" / "manifest.json"
    stamp = made.stat().st_mtime_ns

    status, out, err = run("--seed", "3", *quick)
    assert status == 0, err
    assert "macro" in out
    assert made.stat().st_mtime_ns == stamp  # opened, not made again

    for argv, said in [
        (("--index", "lowell-3", "--seed", "4"), "Lowell 3, not of Lowell 4"),
        (("--index", "nowhere"), "nowhere"),
        (("--seed", "-1"), "--seed"),
        (("--seed", "two"), "--seed"),
        (("--encoder", "no-such-model"), "no-such-model"),
        (("--queries", str(tmp_path / "none")), "none"),
    ]:
        status, out, err = run(*argv)
        assert status == 2, (argv, err)
        assert out == ""
        assert len(err.strip().splitlines()) == 1
        assert said in err
