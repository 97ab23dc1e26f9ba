"""What encoding, training and index building share of torch: pixels, precision, unit rows and threads.

Importing this module costs nothing: torch comes in when something is computed.
"""

from __future__ import annotations

import functools
import operator
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from retrieval.encoder_manifest import EncoderManifest

_REC601 = (0.299, 0.587, 0.114)  # luma of ITU-R BT.601: the grey of a colour picture


def prepare_images(
    images: torch.Tensor, manifest: EncoderManifest, dtype: torch.dtype | None = None
) -> torch.Tensor:
    """Turn pixel values into what the image tower takes.

    Parameters
    ----------
    images
        Values 0..255, shape (n, 3, s, s), or (n, 1, s, s) if they are grey already.
    manifest
        Bands, size, mean and standard deviation to prepare for.
    dtype
        What to round to at the end; single precision if None.

    Returns
    -------
    Shape (n, 3, image_size, image_size), channels last, normalised.
    """
    import torch

    if len(manifest.bands) == 1 and images.shape[1] == 3:
        # Band by band: a picture of three bands in single precision is never written out.
        bands = (images[:, band : band + 1].float() * weight for band, weight in enumerate(_REC601))
        values = functools.reduce(operator.add, bands)
    else:
        values = images.float()
    size = manifest.image_size
    if values.shape[-1] != size:
        values = torch.nn.functional.interpolate(
            values, size=(size, size), mode="bicubic", antialias=True, align_corners=False
        ).clamp_(0, 255)
    mean = torch.tensor(manifest.mean, device=values.device).view(1, -1, 1, 1) * 255
    std = torch.tensor(manifest.std, device=values.device).view(1, -1, 1, 1) * 255
    values = ((values - mean) / std).to(dtype or torch.float32)
    return values.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)


def bfloat16_pays() -> bool:
    """Whether this processor multiplies bfloat16 natively: about twice the speed, else slower."""
    import torch

    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def unit_rows(vectors: torch.Tensor) -> torch.Tensor:
    """Rows scaled to length 1, in full precision."""
    import torch

    return torch.nn.functional.normalize(vectors.float(), dim=-1)


def hold_to_threads(limit: int) -> None:
    """Hold torch, where this process has loaded it, to at most so many CPU threads."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(min(torch.get_num_threads(), limit))


@contextmanager
def at_most_threads(limit: int) -> Iterator[None]:
    """Hold torch to at most so many CPU threads, then give back what it had.

    A process that has not loaded torch has nothing to hold, and does not load it for this.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(min(before, limit))
    try:
        yield
    finally:
        torch.set_num_threads(before)
