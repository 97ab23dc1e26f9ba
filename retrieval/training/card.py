"""The model card that every training run writes about itself."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence

from retrieval.encoder import Encoder
from retrieval.training.assess import Assessment, macro
from retrieval.training.data import Material
from retrieval.training.pairs import Pairs


def model_card(
    encoder: Encoder,
    material: Material,
    heldout: Pairs,
    found: Assessment,
    run: Mapping[str, str],
    weights: Sequence[float] = (),
) -> str:
    """Write the card.

    Parameters
    ----------
    encoder
        The trained encoder, read back from its files.
    material, heldout
        What it was trained and judged on.
    found
        Held-out scores of the encoder as it was read back.
    run
        What was asked for and what was measured, in the order in which to show it.
    weights
        How often the tiles of each folder trained on were drawn, against one without a weight.

    Returns
    -------
    Markdown.
    """
    manifest = encoder.manifest
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    scores = found.landforms
    seen = dict(zip(material.keys, material.labels.sum(axis=0).tolist(), strict=True))
    rows = "\n".join(
        f"| {key} | {seen.get(key, 0):,} | {s.prevalence:.4f} | {s.average_precision:.3f} | {s.f1:.3f} "
        f"| {s.best_f1:.3f} |"
        for key, s in scores.items()
    )
    unjudged = [f"{key} ({seen[key]:,})" for key in material.keys if key not in scores and seen[key]]
    lines = [
        "# Model card",
        "",
        f"An open_clip image-text model for orbital pictures of planetary surfaces: {manifest.architecture}, "
        f"{manifest.image_size} px, {', '.join(manifest.bands)}, {manifest.dimension} dimensions. "
        f"Trained by `areographer train`, {today}.",
        "",
        "## Data",
        "",
        f"Trained on {_sources(material, weights)}; judged on {_sources(heldout)}, of which it saw nothing. "
        f"{_open_labels(material)}Tiles, captions and labels are as their makers wrote them; a synthetic "
        "source makes a model that knows the generator first.",
        "",
        "## Run",
        "",
        "| | |",
        "| --- | --- |",
        *(f"| {name} | {value} |" for name, value in run.items()),
        "",
        "## Held-out retrieval, zero-shot",
        "",
        "Each landform is asked for by name. AP is the average precision of the ranking (guessing gives the "
        "prevalence). F1 is at the threshold chosen without labels, best F1 at the threshold that suits "
        "these labels best. The step whose weights were kept was chosen on the same tiles: expect slightly "
        "lower figures elsewhere. So was one constant of the log odds, if the loss is the sigmoid one.",
        "",
        "| landform | tiles trained on | prevalence | AP | F1 | best F1 |",
        "| --- | --- | --- | --- | --- | --- |",
        rows,
        f"| **macro** | | {macro(scores, 'prevalence'):.4f} | {macro(scores):.3f} "
        f"| {macro(scores, 'f1'):.3f} | {macro(scores, 'best_f1'):.3f} |",
        "",
        *([f"Trained on but not held out: {', '.join(unjudged)}.", ""] if unjudged else []),
        f"A held-out tile searched by its own first caption comes at a mean reciprocal rank of "
        f"{found.caption_rank:.3f} among {len(heldout):,}.",
        "",
        "## Limits",
        "",
        f"- It knows {len(material.keys)} landforms and the words of their captions; other words find "
        "little or the wrong thing.",
        f"- It sees {manifest.image_size} px: what is smaller than two pixels of a tile is invisible to it.",
        "- Scores rank tiles; they do not replace a look at the tiles or physical modelling.",
        "- Real cameras, seasons and lighting differ from the training tiles: judge it on labelled real "
        "tiles before believing counts.",
        "",
        "## Files",
        "",
        "`open_clip_config.json` and `open_clip_model.safetensors` load in open_clip as `local-dir:`; "
        "`areographer.json` adds bands, normalisation and SHA-256 sums; `bpe.txt.gz`, if present, holds "
        "the first merges of open_clip's byte-pair vocabulary (MIT licence).",
        "",
        f"Fingerprint `{manifest.fingerprint}`.",
        "",
    ]
    return "\n".join(lines)


def _sources(pairs: Pairs | Material, weights: Sequence[float] = ()) -> str:
    named = ", ".join(
        f"{name} ({count:,}{f', drawn {weight:g} times as often' if weight != 1 else ''})"
        for (name, count), weight in zip(pairs.sources, weights or [1.0] * len(pairs.sources), strict=True)
    )
    return f"{len(pairs):,} tiles ({named})"


def _open_labels(material: Material) -> str:
    share = float(material.known.mean()) if material.known.size else 0.0
    return "" if share == 1 else f"Of the labels of the training tiles {share:.1%} are known. "
