"""`areographer`: one verb per thing a person does. No science here.

Exit status: 0 done, 2 bad input (one clear line on standard error), 1 a fault of ours, 130 interrupted.
With ``--json`` one JSON object goes to standard output and nothing else does.

Heavy libraries are imported inside the verbs, so that ``--help`` and a typing error answer at once.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.exceptions import TyperException

import cli_data
import cli_index
import cli_models
import cli_vectors
from prompts import Prompts, load_prompts
from retrieval.errors import AreographerError, Cancelled, InputError, QuestionError, SettingsError
from retrieval.manifest import RECALL
from retrieval.settings import Settings, load_settings
from terminal import complain, console, print_json, progress_bar

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
index_app = typer.Typer(no_args_is_help=True, help="Build, change and inspect image indexes.")
app.add_typer(index_app, name="index")
app.add_typer(cli_models.evaluate_app, name="evaluate")
index_app.command()(cli_index.add)
index_app.command()(cli_index.replace)
index_app.command()(cli_index.remove)
index_app.command()(cli_index.verify)
app.command()(cli_models.caption)
app.command()(cli_models.train)
app.command()(cli_data.fetch)
index_app.command()(cli_vectors.publish)

EMBEDDED = "lowell"
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
        complain(error.format_message())
        status = error.exit_code
    except (Cancelled, KeyboardInterrupt, typer.Abort):
        complain("interrupted; whatever was finished is kept")
        status = 130
    except InputError as error:
        complain(str(error))
        status = 2
    except AreographerError as error:
        complain(str(error))
        status = 1
    return status if isinstance(status, int) else 0


@app.command()
def chat(
    index: IndexName = EMBEDDED,
    model: ModelName = "",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 7860,
    gazetteer: Gazetteer = None,
    transcript: Annotated[
        Path | None, typer.Option("--open", help="A transcript's .zip to go on from, on its own index.")
    ] = None,
) -> None:
    """Open the chat in a browser."""
    from agent.bundle import read_bundle
    from agent.reopen import reopen
    from app import build_app, exposure, serve

    settings, prompts = load_settings(), load_prompts()
    contents = read_bundle(transcript) if transcript else None
    if contents and index == EMBEDDED:
        index = contents.index_name
    encoder, opened = _open_index(index, settings, prompts, soon=True)
    places = _places(opened, settings, gazetteer)
    warning = exposure(host)
    blocks = build_app(settings, opened, encoder, prompts, model or settings.model, places, local=not warning)
    gc.freeze()  # what is loaded stays: collecting it would halt the first answers
    if warning:
        print(f"warning: {warning}", file=sys.stderr)
    page = ""
    if contents:
        try:
            again = reopen(contents, settings, blocks.store, opened)
        except InputError:
            blocks.shut()
            raise
        page = f"/?c={again.conversation_id}"
        for note in again.notes:
            console.print(f"not taken along: {note}", markup=False, highlight=False)
    console.print(f"Areographer listens on http://{host}:{port}{page}", soft_wrap=True)
    serve(blocks, settings, host, port)


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="A research question.")],
    index: IndexName = EMBEDDED,
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
        if not as_json and answered.status not in ("asked", "declined"):
            print(f"{answered.text}\n\nmodel: {conversation.model}   {answer_s:.1f} s", flush=True)
        folder = out or settings.exports / "transcripts"
        bundle = write_bundle(conversation.id, conversation.turns, conversation.workspace, folder)
        if as_json:
            seconds = time.perf_counter() - started
            print_json(answer_report(conversation, answered, bundle, answer_s, seconds))
        elif answered.status not in ("asked", "declined"):
            print(f"transcript: {bundle.html}\n            {bundle.zip}")
    if answered.status == "stopped":
        raise Cancelled("stopped")
    if answered.status == "declined":
        raise QuestionError(answered.text)
    if answered.status == "asked":
        complete = " or ".join(f"“{text}”" for text in answered.suggestions[:2])
        raise QuestionError(
            answered.text, next_step=f"ask {complete}" if complete else "ask a whole question"
        )
    if answered.status == "failed":
        complain("the question could not be answered; the transcript says where it stopped")
        raise typer.Exit(1)


@app.command()
def search(
    text: Annotated[str, typer.Argument(help="What to look for.")],
    index: IndexName = EMBEDDED,
    limit: Annotated[int, typer.Option(min=1, max=100_000)] = 20,
    as_json: AsJson = False,
) -> None:
    """Rank the tiles of an index by words; no agent."""
    from tools.search import rank_words

    settings, prompts = load_settings(), load_prompts()
    encoder, opened = _open_index(index, settings, prompts)
    hits = rank_words(opened, encoder, text, prompts.templates, limit, prompts.descriptions)
    if as_json:
        print_json({"query": text, "index": opened.manifest.name, "hits": hits})
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
    storage: Annotated[
        Literal["auto", "fp16", "fp32", "sq8", "ivf-sq8", "ivf-rabitq"],
        typer.Option(help="How vectors are kept; auto chooses by number, memory and recall."),
    ] = "auto",
    recall: Annotated[
        float, typer.Option(help="Share of the best tiles that a search is to find; 1: all are scored.")
    ] = RECALL,
    seed: Annotated[int, typer.Option(help="Seed of a synthetic planet.")] = 0,
    workers: Annotated[int, typer.Option(min=1, max=256)] = 2,
    ray: Annotated[
        str, typer.Option(help="Build on a Ray cluster: local, auto, HOST:PORT or ray://HOST:PORT.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Build an index from rasters; a build that was cut off goes on where it stopped."""
    from functools import partial

    from retrieval.body import get_body
    from retrieval.building.draw import draw_parts
    from retrieval.building.ray import draw_parts_on_ray
    from retrieval.corpus.imagery import remember
    from retrieval.corpus.lowell import LowellSource
    from retrieval.corpus.raster import open_rasters
    from retrieval.encoder import load_encoder
    from retrieval.grid import Grid
    from retrieval.index import build_index

    settings, prompts = load_settings(), load_prompts()
    if sources == ["lowell"]:
        source: Any = LowellSource(seed)
    else:
        files = [Path(name) for name in sources]
        source = open_rasters(files, get_body(body), bounds=bounds, kind=kind)
        remember(settings.imagery, source, files, bounds, kind)  # the chat's map draws from them
    with progress_bar() as progress:
        made = build_index(
            source,
            Grid(source.body, tile_km),
            load_encoder(encoder or settings.encoder),
            out,
            background_prompts=prompts.background,
            storage=storage,
            recall=recall,
            workers=workers,
            progress=progress,
            draw=partial(draw_parts_on_ray, address=ray) if ray else draw_parts,
        )
    cli_index.say_what_it_holds(made, as_json)


@index_app.command("info")
def index_info(
    folder: Annotated[str, typer.Argument(help="Name or folder.")], as_json: AsJson = False
) -> None:
    """Say what an index holds."""
    from retrieval.index import TileIndex
    from retrieval.library import index_folder

    cli_index.say_what_it_holds(TileIndex.open(index_folder(folder, load_settings())), as_json)


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
    from retrieval.library import open_context_rasters
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
            context=open_context_rasters(opened, settings),
        )
        result = run(contents, workspace)
    if as_json:
        print_json({"identical": result.identical, "differences": result.differences})
    else:
        made = contents.recipe
        print(f"{bundle.name}: {len(contents.manifest.members)} files, each as its manifest says")
        ground = f"{opened.manifest.name} ({opened.manifest.fingerprint[:16]})"
        print(f"{len(made.calls)} calls run again on {ground}")
        print(f"{result.compared:,} figures and layers compared")
        print("identical" if result.identical else "\n".join(["different:", *result.differences]))
    if not result.identical:
        raise typer.Exit(1)


@app.command()
def mcp(index: IndexName = EMBEDDED, gazetteer: Gazetteer = None) -> None:
    """Serve the tools to a program that speaks MCP, over standard input and output (extra `mcp`)."""
    from tools.mcp import check_extra, introduction, serve, session_name

    check_extra()
    from retrieval.library import index_folder, open_context_rasters
    from retrieval.manifest import read_manifest
    from tools.workspace import Workspace, open_workspace

    settings, prompts, session = load_settings(), load_prompts(), session_name()
    folder = index_folder(index, settings)
    manifest = read_manifest(folder) if folder.exists() else None

    def open_session() -> Workspace:
        encoder, opened = _open_index(index, settings, prompts)
        return open_workspace(
            settings,
            opened,
            encoder,
            settings.layers / session,
            prompts.templates,
            gazetteer=_places(opened, settings, gazetteer),
            glossary=prompts.descriptions,
            context=open_context_rasters(opened, settings),
        )

    serve(open_session, introduction(index, manifest, settings.exports / session, settings.uploads))


def _open_index(
    name: str, settings: Settings, prompts: Prompts, soon: bool = False
) -> tuple[Encoder, TileIndex]:
    """An index and the encoder that made it; with ``soon`` the encoder may be loaded when first needed."""
    from retrieval.encoder import load_encoder
    from retrieval.encoder_soon import open_encoder
    from retrieval.library import encoder_name, open_or_make

    wanted = encoder_name(name, settings)
    encoder = open_encoder(wanted, settings.home / "cache") if soon else load_encoder(wanted)
    with progress_bar() as progress:
        return encoder, open_or_make(name, settings, encoder, prompts.background, progress)


def _places(index: TileIndex, settings: Settings, file: Path | None) -> Any:
    from retrieval.library import open_gazetteer

    return open_gazetteer(index, settings, file)


def _follow(conversation: Conversation, question: str, *, quiet: bool) -> Answered:
    from agent.events import Answered, Planned, StepFinished

    for event in conversation.ask(question):
        if isinstance(event, Planned) and not quiet:
            console.print(f"Plan: {event.text}", highlight=False, markup=False, soft_wrap=True)
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


if __name__ == "__main__":
    main()
