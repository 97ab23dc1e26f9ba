"""Members of a downloaded zip, unpacked safely, and room on the disk."""

from __future__ import annotations

import fnmatch
import shutil
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any

import pooch

from retrieval.errors import SourceError

CHUNK_BYTES = 1 << 20
SPARE_BYTES = 100_000_000  # left free on the disk


def unpack(archive: Path, patterns: tuple[str, ...], folder: Path) -> dict[str, dict[str, Any]]:
    """Put the members that matter into a folder, under their bare names, once all of them are whole.

    Parameters
    ----------
    patterns
        Of members' names with their folders, as `fnmatch` reads them.

    Returns
    -------
    ``bytes`` and ``sha256`` of each file, by its name.

    Raises
    ------
    SourceError
        If the archive is torn (it is deleted then) or holds no such member, or the disk is full.
    """
    made: dict[Path, Path] = {}
    try:
        with zipfile.ZipFile(archive) as opened:
            wanted = {
                PurePosixPath(info.filename.replace("\\", "/")).name: info
                for info in opened.infolist()
                if not info.is_dir() and any(fnmatch.fnmatch(info.filename, one) for one in patterns)
            }
            # macOS leaves companions such as __MACOSX/._NAME; a bare name cannot lead out of the folder.
            wanted = {name: info for name, info in wanted.items() if not name.startswith(".")}
            if not wanted:
                raise SourceError(
                    f"{archive.name} holds none of {', '.join(patterns)}",
                    next_step=f"unpack {archive} by hand and look",
                )
            check_space(folder, sum(info.file_size for info in wanted.values()), archive.name)
            for name, info in wanted.items():
                half = folder / (name + ".part")
                made[half] = folder / name
                with opened.open(info) as source, half.open("wb") as out:
                    shutil.copyfileobj(source, out, CHUNK_BYTES)
        for half, place in made.items():
            half.replace(place)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        archive.unlink()
        raise SourceError(
            f"{archive.name} is torn and was thrown away ({error})", next_step="fetch it again"
        ) from error
    except OSError as error:
        raise disk_error(error, folder) from error
    finally:
        for half in made:
            half.unlink(missing_ok=True)
    return {
        path.name: {"bytes": path.stat().st_size, "sha256": pooch.file_hash(str(path))}
        for path in made.values()
    }


def check_space(folder: Path, needed: int, name: str) -> None:
    """Refuse what would fill the disk.

    Raises
    ------
    SourceError
        If fewer than ``needed`` bytes and `SPARE_BYTES` are free where the folder lies.
    """
    free = shutil.disk_usage(folder).free
    if needed + SPARE_BYTES > free:
        raise SourceError(
            f"{name} takes {needed / 1e9:.2f} GB more and {folder} has {free / 1e9:.2f} GB free",
            next_step="make room, or choose another folder with --out",
        )


def disk_error(error: OSError, folder: Path) -> SourceError:
    """What to say when a file cannot be written."""
    return SourceError(
        f"{folder} cannot be written to ({error.strerror or error})",
        next_step="make room, or choose another folder with --out; what was downloaded is kept",
    )
