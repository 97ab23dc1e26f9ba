"""`areographer`: one verb per thing a person does. No science here.

Exit status: 0 done, 2 bad input (one clear line on standard error), 1 a fault of ours, 130 interrupted.
With ``--json`` one JSON object goes to standard output and nothing else does.

Heavy libraries are imported inside the verbs, so that ``--help`` and a typing error answer at once.
"""

from __future__ import annotations

import gc
import json
import logging
import math
import os
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from typer.exceptions import TyperException

from prompts import Prompts, load_prompts
from retrieval.errors import AreographerError, Cancelled, InputError, QuestionError, SettingsError
from retrieval.settings import Settings, load_settings

if TYPE_CHECKING:
    from agent.events import Answered
    from agent.loop import Conversation
    from retrieval.encoder import Encoder
    from retrieval.index import TileIndex

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A conversational agent over a planetary image index.",
)
index_app = typer.Typer(no_args_is_help=True, help="Build and inspect image indexes.")
app.add_typer(index_app, name="index")
evaluate_app = typer.Typer(no_args_is_help=True, help="Measure how well an encoder finds what is known.")
app.add_typer(evaluate_app, name="evaluate")

console = Console(stderr=True)
QUERIES = Path(__file__).parent / "benchmarks" / "queries"

IndexName = Annotated[str, typer.Option("--index", help="Name of an index, or its folder.")]
ModelName = Annotated[str, typer.Option("--model", help="offline, or openai:NAME.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Gazetteer = Annotated[
    Path | None, typer.Option("--gazetteer", help="Named places: CSV, KMZ, GeoPackage or GeoJSON.")
]


def main() -> None:
    """Entry point of the script.

    Importing torch and its kin makes millions of objects that all stay: with Python's usual threshold the
    collector walks them over and over (a fifth of a start), and taking them apart one by one at the end costs
    another second. So it runs less often, and a process whose files are all closed simply ends.
    """
    gc.set_threshold(200_000, 20, 20)
    status = run()
    logging.shutdown()
    with suppress(BrokenPipeError):  # a reader such as `head` may have gone
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


def run() -> int:
    """Run the verb on the command line and turn every outcome into an exit status."""
    try:
        status = app(standalone_mode=False)
    except TyperException as error:
        _complain(error.format_message())
        status = error.exit_code
    except (Cancelled, KeyboardInterrupt, typer.Abort):
        _complain("interrupted; whatever was finished is kept")
        status = 130
    except InputError as error:
        _complain(str(error))
        status = 2
    except AreographerError as error:
        _complain(str(error))
        status = 1
    return status if isinstance(status, int) else 0


@app.command()
def chat(
    index: IndexName = "lowell",
    model: ModelName = "",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 7860,
    gazetteer: Gazetteer = None,
) -> None:
    """Open the chat in a browser."""
    from app import build_app, serve

    settings, prompts = load_settings(), load_prompts()
    encoder, opened = _open_index(index, settings, prompts)
    places = _places(opened, settings, gazetteer)
    blocks = build_app(settings, opened, encoder, prompts, model or settings.model, places)
    console.print(f"Areographer listens on http://{host}:{port}")
    serve(blocks, settings, host, port)


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="A research question.")],
    index: IndexName = "lowell",
    model: ModelName = "",
    out: Annotated[Path | None, typer.Option(help="Folder for the transcript.")] = None,
    gazetteer: Gazetteer = None,
    as_json: AsJson = False,
) -> None:
    """Ask one question and print the answer and the path of its transcript."""
    started = time.perf_counter()
    settings, prompts = load_settings(), load_prompts()
    # A question that can never be answered is refused before seconds are spent on opening anything.
    from agent.question import check_question

    check_question(question, settings.max_question_chars)
    from agent.conversations import ConversationStore
    from agent.loop import open_conversation
    from agent.report import answer_report
    from agent.transcript import write_bundle

    encoder, opened = _open_index(index, settings, prompts)
    with ConversationStore(settings.conversations) as store:
        conversation = open_conversation(
            settings,
            store,
            opened,
            encoder,
            prompts,
            model or settings.model,
            gazetteer=_places(opened, settings, gazetteer),
        )
        answered = _follow(conversation, question, quiet=as_json)
        answer_s = time.perf_counter() - started
        if not as_json and answered.status != "declined":
            print(f"{answered.text}\n\nmodel: {conversation.model}   {answer_s:.1f} s", flush=True)
        folder = out or settings.exports / "transcripts"
        bundle = write_bundle(conversation.id, conversation.turns, conversation.workspace, folder)
        if as_json:
            seconds = time.perf_counter() - started
            _print_json(answer_report(conversation, answered, bundle, answer_s, seconds))
        elif answered.status != "declined":
            print(f"transcript: {bundle.html}\n            {bundle.zip}")
    if answered.status == "stopped":
        raise Cancelled("stopped")
    if answered.status == "declined":
        raise QuestionError(answered.text)
    if answered.status == "failed":
        _complain("the question could not be answered; the transcript says where it stopped")
        raise typer.Exit(1)


@app.command()
def search(
    text: Annotated[str, typer.Argument(help="What to look for.")],
    index: IndexName = "lowell",
    limit: Annotated[int, typer.Option(min=1, max=100_000)] = 20,
    as_json: AsJson = False,
) -> None:
    """Rank the tiles of an index by words; no agent."""
    from tools.search import rank_words

    settings, prompts = load_settings(), load_prompts()
    encoder, opened = _open_index(index, settings, prompts)
    hits = rank_words(opened, encoder, text, prompts.templates, limit)
    if as_json:
        _print_json({"query": text, "index": opened.manifest.name, "hits": hits})
        return
    for hit in hits:
        print(
            f"{hit['tile_id']}  lon {hit['lon']:8.2f}  lat {hit['lat']:7.2f}  "
            f"score {hit['score']:.3f}  probability {hit['probability']:.2f}"
        )


@index_app.command("build")
def index_build(
    sources: Annotated[list[str], typer.Argument(help="Rasters, or `lowell` for the synthetic planet.")],
    out: Annotated[Path, typer.Option(help="Folder to make.")],
    body: Annotated[str, typer.Option(help="Body the rasters belong to.")] = "mars",
    bounds: Annotated[
        tuple[float, float, float, float] | None,
        typer.Option(help="W S E N in degrees, for a plain simple-cylindrical picture."),
    ] = None,
    tile_km: Annotated[float, typer.Option(help="Side of a tile, km.")] = 12.0,
    encoder: Annotated[str, typer.Option(help="areo-mini, an open_clip name, hf-hub:..., or a folder.")] = "",
    kind: Annotated[Literal["auto", "image", "dem"], typer.Option(help="What the rasters hold.")] = "auto",
    storage: Annotated[Literal["fp16", "fp32", "sq8"], typer.Option(help="How vectors are kept.")] = "fp16",
    seed: Annotated[int, typer.Option(help="Seed of a synthetic planet.")] = 0,
    workers: Annotated[int, typer.Option(min=1, max=256)] = 2,
    as_json: AsJson = False,
) -> None:
    """Build an index from rasters; a build that was cut off goes on where it stopped."""
    from retrieval.body import get_body
    from retrieval.corpus.lowell import LowellSource
    from retrieval.corpus.raster import open_rasters
    from retrieval.encoder import load_encoder
    from retrieval.grid import Grid
    from retrieval.index import build_index

    settings, prompts = load_settings(), load_prompts()
    if sources == ["lowell"]:
        source: Any = LowellSource(seed)
    else:
        source = open_rasters([Path(name) for name in sources], get_body(body), bounds=bounds, kind=kind)
    with _progress() as progress:
        made = build_index(
            source,
            Grid(source.body, tile_km),
            load_encoder(encoder or settings.encoder),
            out,
            background_prompts=prompts.background,
            storage=storage,
            workers=workers,
            progress=progress,
        )
    _report_index(made, as_json)


@index_app.command("info")
def index_info(
    folder: Annotated[str, typer.Argument(help="Name or folder.")], as_json: AsJson = False
) -> None:
    """Say what an index holds."""
    from retrieval.index import TileIndex
    from retrieval.library import index_folder

    _report_index(TileIndex.open(index_folder(folder, load_settings())), as_json)


@app.command()
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
        with _progress() as progress:
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
        with _progress() as progress:
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
        _print_json(report)
    else:
        print(
            f"pairs in {out}",
            *(f"{name}: {value}" for name, value in report.get("counts", {}).items()),
            sep="\n  ",
        )


@app.command()
def train(
    data: Annotated[list[Path], typer.Argument(help="Folders of image-text pairs.")],
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
    from retrieval.training.train import TrainConfig
    from retrieval.training.train import train as run

    settings, prompts = load_settings(), load_prompts()
    config = TrainConfig(
        data=tuple(data),
        heldout=tuple(heldout or ()),
        out=out,
        architecture=architecture or settings.encoder,
        pretrained=pretrained,
        epochs=epochs,
        minutes=minutes,
        batch=batch,
        learning_rate=learning_rate,
        text_learning_rate=text_learning_rate,
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
        words={term.key: (term.term, *term.synonyms) for term in prompts.glossary},
        templates=prompts.templates,
        background_prompts=prompts.background,
        command=shlex.join(["areographer", *sys.argv[1:]]),
    )
    with _training_progress() as progress:
        report = run(config, progress)
    if report.process:
        return  # one of torchrun's others
    if as_json:
        _print_json(asdict(report))
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
    from retrieval.evaluate.landforms import lowell_labels, read_queries
    from retrieval.evaluate.report import landforms_text
    from retrieval.index import open_matching
    from retrieval.library import encoder_name, index_folder, open_planet

    settings, prompts = load_settings(), load_prompts()
    paraphrases, absent = read_queries(queries or QUERIES)
    loaded = load_encoder(encoder or (encoder_name(index, settings) if index else settings.encoder))
    if index:
        opened = open_matching(index_folder(index, settings), loaded)
    else:
        planet = settings.lowell_seed if seed is None else seed
        with _progress() as progress:
            opened = open_planet(planet, settings, loaded, prompts.background, progress)
    report = run(
        opened,
        loaded,
        lowell_labels(opened, seed),
        {term.key: term.term for term in prompts.glossary},
        prompts.templates,
        glossary=prompts.descriptions,
        paraphrases=paraphrases,
        absent=absent,
        resamples=resamples,
    )
    report = {"seed": opened.manifest.source["seed"], **report}
    if as_json:
        _print_json(report)
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
        _print_json(report)
    else:
        print(marsretrieval_text(report))


@app.command()
def replay(
    bundle: Annotated[Path, typer.Argument(help="A transcript's .zip.")],
    index: Annotated[
        str, typer.Option("--index", help="Index to run on; default: the bundle's own name.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Run a transcript's recipe again without any model, and compare every figure and layer."""
    import tempfile

    from agent.transcript import read_bundle
    from agent.transcript import replay as run
    from tools.workspace import open_workspace

    settings, prompts = load_settings(), load_prompts()
    contents = read_bundle(bundle)
    encoder, opened = _open_index(index or contents.index_name, settings, prompts)
    with tempfile.TemporaryDirectory() as folder:
        workspace = open_workspace(
            settings,
            opened,
            encoder,
            Path(folder),
            prompts.templates,
            gazetteer=_places(opened, settings, None),
            readable=(settings.uploads,),
        )
        result = run(contents, workspace)
    if as_json:
        _print_json({"identical": result.identical, "differences": result.differences})
    else:
        print("identical" if result.identical else "\n".join(["different:", *result.differences]))
    if not result.identical:
        raise typer.Exit(1)


def _open_index(name: str, settings: Settings, prompts: Prompts) -> tuple[Encoder, TileIndex]:
    from retrieval.encoder import load_encoder
    from retrieval.library import encoder_name, open_or_make

    encoder = load_encoder(encoder_name(name, settings))
    with _progress() as progress:
        return encoder, open_or_make(name, settings, encoder, prompts.background, progress)


def _places(index: TileIndex, settings: Settings, file: Path | None) -> Any:
    from retrieval.library import open_gazetteer

    return open_gazetteer(index, settings, file)


@contextmanager
def _progress() -> Iterator[Any]:
    """A bar on standard error that appears with the first report and counts each stage."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=console, transient=True)
    tasks: dict[str, Any] = {}

    def report(stage: str, done: int, total: int) -> None:
        if not tasks:
            bar.start()  # not before: a bar without tasks leaves an empty line
        if stage not in tasks:
            tasks[stage] = bar.add_task(stage, total=total)
        bar.update(tasks[stage], completed=done, total=total)

    try:
        yield report
    finally:
        if tasks:
            bar.stop()


@contextmanager
def _training_progress() -> Iterator[Any]:
    """One bar whose words change; where there is no terminal, a line at most every 30 seconds."""
    if not console.is_terminal:
        said = -math.inf

        def say(stage: str, done: int, total: int) -> None:
            nonlocal said
            if not stage.startswith("training") or time.monotonic() - said > 30:
                said = time.monotonic()
                print(f"{done / total:4.0%} {stage}", file=sys.stderr, flush=True)

        yield say
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    with Progress(
        BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"), console=console
    ) as bar:
        task = bar.add_task("starting", total=1)

        def show(stage: str, done: int, total: int) -> None:
            if stage.startswith("held-out"):
                console.print(stage, markup=False)
            bar.update(task, description=stage, completed=done, total=total)

        yield show


def _follow(conversation: Conversation, question: str, *, quiet: bool) -> Answered:
    from agent.events import Answered, StepFinished

    for event in conversation.ask(question):
        if isinstance(event, StepFinished) and not quiet and event.tool != "decline":
            arguments = ", ".join(f"{name}={value!r}" for name, value in event.arguments.items())
            # Never markup: arguments and summaries may hold text from a catalogue or a file name.
            console.print(
                f"{event.tool}({arguments})", style="dim", highlight=False, markup=False, soft_wrap=True
            )
            console.print(f"  {event.error or event.summary}", highlight=False, markup=False, soft_wrap=True)
        if isinstance(event, Answered):
            return event
    raise SettingsError("the model ended without an answer", next_step="ask again or choose another model")


def _report_index(index: TileIndex, as_json: bool) -> None:
    manifest = asdict(index.manifest)
    if as_json:
        _print_json({"folder": str(index.folder), **manifest})
        return
    print(f"{index.folder}: {len(index):,} tiles of {manifest['tile_km']:g} km on {manifest['body']}")
    print(f"encoder {manifest['encoder']['name']}, vectors {manifest['storage']}, made {manifest['created']}")


def _print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, default=str, allow_nan=False))


def _complain(message: str) -> None:
    print("error: " + " ".join(message.split()), file=sys.stderr)


if __name__ == "__main__":
    main()
