"""The verbs of `areographer` that make and judge encoders: `caption`, `train`, `evaluate`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prompts import QUERIES_FOLDER, load_prompts
from retrieval.settings import load_settings
from terminal import print_json, progress_bar, training_progress

if TYPE_CHECKING:
    from retrieval.evaluate.detected import Detections
    from retrieval.library import Progress

evaluate_app = typer.Typer(no_args_is_help=True, help="Measure how well an encoder finds what is known.")

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


def caption(
    sources: Annotated[list[str], typer.Argument(help="Rasters, or `lowell` for the synthetic planet.")],
    out: Annotated[Path, typer.Option(help="Folder to make.")],
    body: Annotated[str, typer.Option(help="Body the rasters belong to.")] = "mars",
    bounds: Annotated[
        tuple[float, float, float, float] | None,
        typer.Option(help="W S E N in degrees, for a plain simple-cylindrical picture."),
    ] = None,
    tile_km: Annotated[float, typer.Option(help="Side of a tile of rasters, km.")] = 12.0,
    catalogue: Annotated[
        list[str] | None, typer.Option(help="Known landforms: a file, or LANDFORM=FILE; complete for them.")
    ] = None,
    dem: Annotated[list[Path] | None, typer.Option(help="Elevation models.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the wording; for Lowell the planet.")] = 11,
    plains_share: Annotated[float, typer.Option(help="Share of Lowell's tiles that show nothing.")] = 0.25,
    candidates: Annotated[int, typer.Option(min=1, max=20, help="Captions asked for per tile.")] = 3,
    captioner: Annotated[str, typer.Option(help="grammar, or openai:NAME of a vision model.")] = "grammar",
    encoder: Annotated[str, typer.Option(help="Ranks captions by the picture; `none` does not.")] = "none",
    split: Annotated[
        bool | None,
        typer.Option("--split/--no-split", help="Deal train, val, test by area; default: rasters."),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=256)] = 2,
    as_json: AsJson = False,
) -> None:
    """Draw labelled pictures with captions held against facts, for `train`."""
    from retrieval.corpus.caption_corpus import CaptionSources, caption_corpus
    from retrieval.corpus.captioning import CaptionPlan
    from retrieval.corpus.lowell_pairs import PairsPlan, write_pairs
    from retrieval.corpus.splits import SplitRule

    settings, prompts = load_settings(), load_prompts()
    lowell = sources == ["lowell"]
    rule = SplitRule() if (split if split is not None else not lowell) else None
    if lowell and captioner == "grammar" and encoder == "none":
        # Every patch is drawn for training, with more views of rare landforms.
        plan = PairsPlan(plains_share=plains_share, extra_views=1, captions=6)
        with progress_bar() as progress:
            write_pairs(seed, out, plan, split=rule, workers=workers, progress=progress)
        report: dict[str, Any] = {"folder": str(out)}
    else:
        writer = None
        if captioner != "grammar":
            from agent.captioner import VisionCaptioner

            name = "Lowell" if lowell else body.capitalize()
            writer = VisionCaptioner(captioner, settings, name, out.parent / f"{out.name}.answers.jsonl")
        ranker = None
        if encoder != "none":
            from retrieval.encoder import load_encoder

            ranker = load_encoder(encoder)
        corpus = CaptionSources(
            tuple(sources), body, bounds, tile_km, tuple(catalogue or ()), tuple(dem or ()), seed
        )
        words = {term.key: (term.term, *term.synonyms) for term in prompts.glossary}
        plan_of = CaptionPlan(candidates=candidates, seed=seed)
        with progress_bar() as progress:
            report = caption_corpus(
                corpus,
                out,
                writer,
                plan=plan_of,
                terms=words,
                encoder=ranker,
                split=rule,
                workers=workers,
                progress=progress,
            )
    if as_json:
        print_json(report)
    else:
        print(
            f"pairs in {out}",
            *(f"{name}: {value}" for name, value in report.get("counts", {}).items()),
            sep="\n  ",
        )


def train(
    data: Annotated[
        list[str], typer.Argument(help="Folders of image-text pairs; FOLDER=3 is drawn three times as often.")
    ],
    out: Annotated[Path, typer.Option(help="Folder to make, with weights and model card.")],
    heldout: Annotated[
        list[Path] | None,
        typer.Option(help="Pairs never trained on; default: the validation split of the data."),
    ] = None,
    architecture: Annotated[str, typer.Option("--encoder", help="areo-mini or an open_clip name.")] = "",
    pretrained: Annotated[str, typer.Option(help="Tag, file or folder of weights to start from.")] = "",
    epochs: Annotated[float, typer.Option(help="Draws of as many tiles as there are.")] = 20.0,
    minutes: Annotated[float | None, typer.Option(help="Budget of time, if shorter.")] = None,
    batch: Annotated[int, typer.Option(min=2, help="Tiles per step and process.")] = 64,
    learning_rate: Annotated[
        float | None, typer.Option(help="Default: 3e-3 for areo-mini, 2e-5 for others.")
    ] = None,
    text_learning_rate: Annotated[
        float | None, typer.Option(help="Share of it for the text tower; default: 0.2 for areo-mini, else 1.")
    ] = None,
    text_every: Annotated[
        int, typer.Option(min=1, help="Steps between two with texts; the others only use tiles.")
    ] = 3,
    processes: Annotated[int, typer.Option(min=1, help="Processes that train together.")] = 1,
    average_every: Annotated[
        int, typer.Option(min=1, help="1: average gradients; K: average weights every K steps.")
    ] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    grad_checkpointing: Annotated[bool, typer.Option(help="Less memory, a third more time.")] = False,
    evaluations: Annotated[int, typer.Option(min=1, help="Held-out evaluations over the run.")] = 10,
    patience: Annotated[int, typer.Option(min=1, help="Evaluations without gain that end the run.")] = 4,
    ema: Annotated[float, typer.Option(help="Decay of the moving average of weights; 0: none.")] = 0.999,
    scales: Annotated[float, typer.Option(help="Show tiles up to so many times larger or smaller.")] = 1.2,
    photometric: Annotated[float, typer.Option(help="Share of tiles with the look of real cameras.")] = 0.5,
    label_smoothing: Annotated[float, typer.Option(help="Probability that a label is wrong.")] = 0.0,
    unknown_weight: Annotated[
        float, typer.Option(help="How much captions count as false where labels leave that open.")
    ] = 0.1,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    resume: Annotated[bool, typer.Option(help="Go on with an unfinished run.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train or fine-tune an encoder on image-text pairs."""
    from retrieval.training.folders import weighted_folders
    from retrieval.training.train import TrainConfig
    from retrieval.training.train import train as run

    settings, prompts = load_settings(), load_prompts()
    folders, weights = weighted_folders(data)
    config = TrainConfig(
        data=folders,
        weights=weights,
        heldout=tuple(heldout or ()),
        out=out,
        architecture=architecture or settings.encoder,
        pretrained=pretrained,
        epochs=epochs,
        minutes=minutes,
        batch=batch,
        learning_rate=learning_rate,
        text_learning_rate=text_learning_rate,
        text_every=text_every,
        processes=processes,
        average_every=average_every,
        device=device,
        grad_checkpointing=grad_checkpointing,
        evaluations=evaluations,
        patience=patience,
        ema=ema,
        scales=scales,
        photometric=photometric,
        label_smoothing=label_smoothing,
        unknown_weight=unknown_weight,
        seed=seed,
        resume=resume,
        # Descriptions too: a word that stands in no name or caption means nothing to a text tower made here.
        words={term.key: (term.term, *term.synonyms, term.description) for term in prompts.glossary},
        templates=prompts.templates,
        background_prompts=prompts.background,
        command=shlex.join(["areographer", *sys.argv[1:]]),
    )
    with training_progress() as progress:
        report = run(config, progress)
    if report.process:
        return  # one of torchrun's others
    if as_json:
        print_json(asdict(report))
    else:
        print(f"macro average precision {report.macro_average_precision:.3f} on held-out pairs; see {out}")


@evaluate_app.command("landforms")
def evaluate_landforms(
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of the planet; default: the embedded one's.")
    ] = None,
    index: Annotated[str, typer.Option("--index", help="Another index of Lowell.")] = "",
    encoder: Annotated[str, typer.Option(help="areo-mini, an open_clip name, hf-hub:..., or a folder.")] = "",
    queries: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Folder of paraphrases.yaml and absent.txt."),
    ] = None,
    resamples: Annotated[int, typer.Option(min=1, max=100_000, help="Of the block bootstrap.")] = 1000,
    as_json: AsJson = False,
) -> None:
    """Search a synthetic planet for each of its landforms and hold the hits against the truth."""
    from retrieval.encoder import load_encoder
    from retrieval.evaluate.landforms import evaluate_landforms as run
    from retrieval.evaluate.landforms import lowell_truth, read_queries
    from retrieval.evaluate.report import landforms_text
    from retrieval.index import open_matching
    from retrieval.library import encoder_name, index_folder, open_planet

    settings, prompts = load_settings(), load_prompts()
    paraphrases, absent = read_queries(queries or QUERIES_FOLDER)
    loaded = load_encoder(encoder or (encoder_name(index, settings) if index else settings.encoder))
    if index:
        opened = open_matching(index_folder(index, settings), loaded)
    else:
        planet = settings.lowell_seed if seed is None else seed
        with progress_bar() as progress:
            opened = open_planet(planet, settings, loaded, prompts.background, progress)
    labels, partly = lowell_truth(opened, seed)
    report = run(
        opened,
        loaded,
        labels,
        {term.key: term.term for term in prompts.glossary},
        prompts.templates,
        partly=partly,
        glossary=prompts.descriptions,
        paraphrases=paraphrases,
        absent=absent,
        resamples=resamples,
    )
    report = {"seed": opened.manifest.source["seed"], **report}
    if as_json:
        print_json(report)
    else:
        print(landforms_text(report))


@evaluate_app.command("marsretrieval")
def evaluate_marsretrieval(
    data: Annotated[
        list[Path],
        typer.Argument(help="Folder with a CSV of file,caption; folder per class; index and catalogues."),
    ],
    index: Annotated[str, typer.Option("--index", help="Index for catalogues: a name or a folder.")] = "",
    encoder: Annotated[str, typer.Option(help="areo-mini, an open_clip name, hf-hub:..., or a folder.")] = "",
    as_json: AsJson = False,
) -> None:
    """Run the tasks of MarsRetrieval on data in their layouts, as published and more strictly."""
    from retrieval.encoder import load_encoder
    from retrieval.evaluate.marsretrieval import evaluate_marsretrieval as run
    from retrieval.evaluate.marsretrieval import read_tasks
    from retrieval.evaluate.report import marsretrieval_text
    from retrieval.index import open_matching
    from retrieval.library import encoder_name, index_folder

    settings, prompts = load_settings(), load_prompts()
    tasks = read_tasks(data)
    place = index or (str(tasks.index) if tasks.index else "")
    loaded = load_encoder(encoder or (encoder_name(place, settings) if place else settings.encoder))
    opened = open_matching(index_folder(place, settings), loaded) if place else None
    report = run(tasks, loaded, prompts.templates, opened)
    if as_json:
        print_json(report)
    else:
        print(marsretrieval_text(report))


@evaluate_app.command("associations")
def evaluate_associations(
    seed: Annotated[int, typer.Option(min=0, help="Of the patterns, and of the first planet.")],
    planets: Annotated[int, typer.Option(min=1, max=1000, help="Synthetic planets to question.")] = 5,
    pairs: Annotated[int, typer.Option(min=1, max=100_000, help="Independent patterns to compare.")] = 200,
    shifts: Annotated[int, typer.Option(min=19, max=9_999, help="Of each test.")] = 999,
    detections: Annotated[
        bool, typer.Option("--detections", help="Also search each planet and question what is found.")
    ] = False,
    index: Annotated[str, typer.Option("--index", help="Question one index of Lowell, of that seed.")] = "",
    as_json: AsJson = False,
) -> None:
    """Measure false alarms of the association test, and what it finds of known processes."""
    from retrieval.evaluate.associations import evaluate_associations as run
    from retrieval.evaluate.report import associations_text

    with progress_bar() as progress:
        search = _searcher(index, seed, progress) if detections or index else None
        report = run(
            seed,
            planets=1 if index else planets,
            pairs=pairs,
            shifts=shifts,
            search=search,
            progress=progress,
        )
    if as_json:
        print_json(report)
    else:
        print(associations_text(report))


@evaluate_app.command("agent")
def evaluate_agent(
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of the planet; default: the embedded one's.")
    ] = None,
    model: Annotated[str, typer.Option(help="offline, or openai:NAME.")] = "",
    families: Annotated[
        list[str] | None, typer.Option("--families", help="Only these; may be given several times, or a,b.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many of each family.")] = None,
    repeats: Annotated[int, typer.Option(min=1, max=100, help="How often each wording is asked.")] = 1,
    questions: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="Folder of other questions.")
    ] = None,
    index: Annotated[str, typer.Option("--index", help="Another index of Lowell.")] = "",
    maps: Annotated[
        bool,
        typer.Option("--maps/--no-maps", help="Let it draw maps: not judged, but slow."),
    ] = True,
    details: Annotated[bool, typer.Option("--details", help="Every answer in the JSON.")] = False,
    as_json: AsJson = False,
) -> None:
    """Ask questions whose answers the truth of a synthetic planet gives, and score plans and answers."""
    from agent.evaluate.expected import KINDS
    from agent.evaluate.ground import open_ground
    from agent.evaluate.report import agent_text
    from agent.evaluate.run import ask_all
    from agent.evaluate.scoring import score, summed
    from agent.evaluate.suite import QUESTIONS_FOLDER, read_suite
    from retrieval.encoder import load_encoder
    from retrieval.index import open_matching
    from retrieval.library import encoder_name, index_folder, open_planet

    settings, prompts = load_settings(), load_prompts()
    chosen = [name for text in families or () for name in text.split(",") if name]
    suite = read_suite(questions or QUESTIONS_FOLDER, chosen, limit, tuple(KINDS))
    encoder = load_encoder(encoder_name(index, settings) if index else settings.encoder)
    name = model or settings.model
    with progress_bar() as progress:
        if index:
            opened = open_matching(index_folder(index, settings), encoder)
        else:
            planet = settings.lowell_seed if seed is None else seed
            opened = open_planet(planet, settings, encoder, prompts.background, progress)
        ground = open_ground(opened, encoder, prompts, seed)
        asked = ask_all(
            suite, ground, encoder, prompts, settings, name, repeats=repeats, maps=maps, progress=progress
        )
        scores = [score(one, ground) for one in asked]
    about = {"model": name, "seed": ground.seed, "index": opened.manifest.name, "questions": len(suite)}
    report = {**about, "repeats": repeats, "maps": maps, **summed(scores, details=details)}
    if as_json:
        print_json(report)
    else:
        print(agent_text(report))


def _searcher(index: str, seed: int, progress: Progress) -> Callable[[int], Detections]:
    """What searches for every landform find on the planet of a seed, or in one index of it."""
    from retrieval.corpus.lowell.processes import PROCESSES
    from retrieval.encoder import load_encoder
    from retrieval.evaluate.detected import detect
    from retrieval.evaluate.landforms import lowell_truth
    from retrieval.index import open_matching
    from retrieval.library import encoder_name, index_folder, open_planet

    settings, prompts = load_settings(), load_prompts()
    encoder = load_encoder(encoder_name(index, settings) if index else settings.encoder)
    given = open_matching(index_folder(index, settings), encoder) if index else None
    if given is not None:
        lowell_truth(given, seed)  # refuses another planet, or another version of it

    def search(planet: int) -> Detections:
        return detect(
            given or open_planet(planet, settings, encoder, prompts.background, progress),
            encoder,
            {term.key: term.term for term in prompts.glossary},
            prompts.templates,
            glossary=prompts.descriptions,
            directed={rule.landform for rule in PROCESSES if rule.depends_on == "wind"},
        )

    return search
