"""The arrows between the rooms, walked over the imports of every module."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("agent", "tools", "retrieval", "prompts")
MODULES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
MODULES += [
    ROOT / "app.py",
    ROOT / "cli.py",
    ROOT / "cli_data.py",
    ROOT / "cli_index.py",
    ROOT / "cli_models.py",
    ROOT / "cli_vectors.py",
]
MODULES += [ROOT / "terminal.py"]

# Room -> rooms it may import. Nothing imports app or cli, but cli starts app.
ALLOWED = {
    "cli": {
        "cli_data",
        "cli_index",
        "cli_models",
        "cli_vectors",
        "terminal",
        "app",
        "agent",
        "tools",
        "retrieval",
        "prompts",
    },
    "cli_data": {"terminal", "retrieval"},
    "cli_index": {"terminal", "retrieval", "prompts"},
    "cli_models": {"terminal", "agent", "retrieval", "prompts"},
    "cli_vectors": {"terminal", "retrieval"},
    "terminal": set(),
    "app": {"agent", "tools", "retrieval", "prompts"},
    "agent": {"agent", "tools", "retrieval", "prompts"},
    "tools": {"tools", "retrieval"},
    "retrieval": {"retrieval"},
    "prompts": {"prompts"},
}

# Package -> the only places that may import it.
ONLY_IN = {
    "langchain": ("agent/",),
    "langchain_core": ("agent/",),
    "langchain_openai": ("agent/",),
    "langgraph": ("agent/",),
    "openai": ("agent/",),
    "gradio": ("app.py",),
    "agent.chat": ("app.py", "agent/chat/"),
    "sqlite3": ("agent/conversations.py",),
    "matplotlib": ("tools/maps/",),
    "torch": ("retrieval/encoder_open_clip.py", "retrieval/encoder_torch.py", "retrieval/training/"),
    "open_clip": ("retrieval/encoder.py", "retrieval/encoder_open_clip.py", "retrieval/training/"),
    "rasterio": ("retrieval/corpus/",),
    "faiss": ("retrieval/vectors/",),
    "numba": (
        "retrieval/vectors/halves.py",
        "retrieval/vectors/bits.py",
        "retrieval/vectors/tile.py",
        "retrieval/vectors/whole.py",
        "retrieval/corpus/bilinear.py",
        "retrieval/corpus/strip_kernels.py",
    ),
    "pymilvus": ("retrieval/vectors/milvus",),
    "grpc": ("retrieval/vectors/milvus_link.py",),
    "ray": ("retrieval/building/ray.py", "retrieval/building/ray_nodes.py"),
    "requests": ("retrieval/sources.py",),
    "pooch": ("retrieval/sources.py", "retrieval/unpack.py"),
    "mcp": ("tools/mcp.py",),
    "mcp_types": ("tools/mcp.py",),
    "httpx": (),
    "http.client": (),
    "urllib.request": ("retrieval/sources.py", "agent/models.py"),
}


def imports(path: Path) -> set[str]:
    """Dotted names of everything a module imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute, so that the rooms can be read off them"
            names.add(node.module or "")
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_imports_follow_the_arrows(path: Path) -> None:
    room = relative(path).split("/")[0].removesuffix(".py")
    inside = {name.split(".")[0] for name in imports(path)} & {*ALLOWED, "tests", "benchmarks"}
    assert inside <= ALLOWED[room] | ({room} if room in ROOMS else set())


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_libraries_stay_in_their_places(path: Path) -> None:
    for library, places in ONLY_IN.items():
        if any(name == library or name.startswith(library + ".") for name in imports(path)):
            assert relative(path).startswith(places), f"{relative(path)} may not import {library}"


def test_corpus_and_training_never_meet() -> None:
    for path in (ROOT / "retrieval/corpus").rglob("*.py"):
        assert not any(name.startswith(("torch", "retrieval.training")) for name in imports(path)), path
    for path in (ROOT / "retrieval/training").rglob("*.py"):
        wrong = ("rasterio", "geopandas", "retrieval.corpus")
        assert not any(name.startswith(wrong) for name in imports(path)), path


def test_the_sphere_needs_little() -> None:
    inside = ("retrieval.body", "retrieval.grid", "retrieval.errors", "retrieval.stop", "retrieval.spatial")
    libraries = {"numpy", "scipy", "shapely", "pyproj", *sys.stdlib_module_names}
    for path in (ROOT / "retrieval/spatial").glob("*.py"):
        for name in imports(path):
            allowed = name.startswith(inside) or name == "retrieval" or name.split(".")[0] in libraries
            assert allowed, f"{relative(path)} may not import {name}"


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_only_settings_reads_the_environment(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    reads = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
    ]
    assert not reads or relative(path) == "retrieval/settings.py"


def test_the_guard_sees_a_wrong_import(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text("def f():\n    from langchain.agents import create_agent\n")
    assert "langchain.agents" in imports(wrong)
    assert "langchain" not in sys.stdlib_module_names
