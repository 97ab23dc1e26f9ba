"""Every exception Areographer raises on purpose.

    AreographerError
    ├── InputError                what the user gave cannot be used      exit status 2
    │   ├── SettingsError         a setting, a folder or a name
    │   ├── RasterError           a raster that is missing, torn, not a raster, without a CRS
    │   │   └── BodyMismatchError a raster or catalogue of another body
    │   ├── IndexFolderError      an index that is missing, unfinished, torn or of another encoder
    │   ├── VectorsError          tile vectors on a server that is out of reach, or another index's
    │   ├── EncoderError          weights that are missing, torn or of another architecture
    │   ├── SourceError           a public data set that is unknown, out of reach, changed or torn
    │   ├── GeometryError         positions or shapes that cannot lie on a body
    │   ├── CatalogueError        a catalogue that cannot be read as points with positions
    │   ├── QuestionError         a question that is empty, too long or not about landforms
    │   ├── ToolInputError        a tool call with arguments outside what is allowed
    │   └── BundleError           a transcript bundle that is not one, torn or unsafe
    └── Cancelled                 the user pressed stop                  exit status 130

Anything else that escapes is a fault of ours (exit status 1).
"""

from __future__ import annotations


class AreographerError(Exception):
    """Root of the tree; never raised itself."""


class InputError(AreographerError):
    """Something the user gave cannot be used: says what, what is allowed, what to do next.

    Parameters
    ----------
    what
        What was wrong, naming the offending value, without a full stop.
    allowed
        What would have been accepted.
    next_step
        What to do now.
    """

    def __init__(self, what: str, *, allowed: str = "", next_step: str = "") -> None:
        self.what = what
        self.allowed = allowed
        self.next_step = next_step
        parts = [what if what.endswith("?") else what.rstrip(".") + "."]
        if allowed:
            parts.append(f"Allowed: {allowed.rstrip('.')}.")
        if next_step:
            parts.append(f"Next: {next_step.rstrip('.')}.")
        super().__init__(" ".join(parts))


class SettingsError(InputError):
    """A setting, a folder or a name is wrong."""


class RasterError(InputError):
    """A raster is missing, torn, not a raster, or has no coordinate reference system."""


class BodyMismatchError(RasterError):
    """A raster or catalogue belongs to another body than the one asked for."""


class IndexFolderError(InputError):
    """An index folder is missing, unfinished, torn, or was made with another encoder."""


class VectorsError(InputError):
    """Tile vectors are on a server that does not answer, are not whole there, or are another index's."""


class EncoderError(InputError):
    """Encoder weights are missing, torn, or of another architecture."""


class SourceError(InputError):
    """A public data set is unknown, cannot be fetched, or is not the file that was expected."""


class GeometryError(InputError):
    """Positions or shapes that cannot lie on a body."""


class CatalogueError(InputError):
    """A catalogue cannot be read as features with positions on the body."""


class QuestionError(InputError):
    """A question is empty, too long, or not about landforms."""


class ToolInputError(InputError):
    """A tool was called with arguments outside what is allowed."""


class BundleError(InputError):
    """A transcript bundle is not one, is torn, or is unsafe to open."""


class Cancelled(AreographerError):
    """The user stopped the work; whatever was finished before is kept."""
