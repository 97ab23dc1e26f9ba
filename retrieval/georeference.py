"""Small files beside fetched rasters, without which GDAL would place them wrongly or not at all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from retrieval.body import get_body
from retrieval.datasets import Dataset
from retrieval.errors import SourceError


def georeference(dataset: Dataset, files: Sequence[Path]) -> list[Path]:
    """Write beside fetched files what GDAL needs to place them rightly; the files written.

    ``pds3``: a VRT from the detached label. GDAL cannot open the image without its label, and with it puts a
    MOLA grid one pixel (15 km) too far to the north-west, as its manual of the PDS driver says.

    ``ocentric``: the CTX tiles say that their latitudes are planetocentric but name an ellipsoid, so that
    software takes them as planetographic, up to 20 km away. Public projects that laid other imagery over the
    tiles found them right on the sphere, where also 47,420 pixels of 5 m are 4 degrees. GDAL lets a file
    ``.aux.xml`` beside the raster correct its CRS.

    Raises
    ------
    SourceError
        If a label is not of the kind that is understood.
    """
    written = []
    for path in files:
        if dataset.georeference == "pds3" and path.suffix.lower() == ".lbl":
            beside = path.with_suffix(".vrt")
            text = _vrt(path, get_body(dataset.body).crs_code)
        elif dataset.georeference == "ocentric" and path.suffix.lower() == ".tif":
            beside = path.with_name(path.name + ".aux.xml")
            # The sphere's equirectangular CRS stands ten after its geographic one: 49900 -> 49910.
            code = get_body(dataset.body).crs_code.removesuffix("00") + "10"
            srs = f'  <SRS dataAxisToSRSAxisMapping="1,2">{code}</SRS>\n'
            text = f"<PAMDataset>\n{srs}</PAMDataset>\n"
        else:
            continue
        half = beside.with_name(beside.name + ".part")
        half.write_text(text, encoding="utf-8")
        half.replace(beside)
        written.append(beside)
    return written


def _vrt(label: Path, crs_code: str) -> str:
    """A GDAL VRT of the raw image that a PDS3 label of a simple cylindrical grid describes."""
    said = dict(
        re.findall(
            r'^\s*\^?(\w+)\s*=\s*"?([^"<\r\n]*?)"?\s*(?:<.*)?\r?$', label.read_text("latin-1"), re.MULTILINE
        )
    )
    wanted = {
        "SAMPLE_TYPE": "MSB_INTEGER",
        "SAMPLE_BITS": "16",
        "MAP_PROJECTION_TYPE": "SIMPLE CYLINDRICAL",
        "POSITIVE_LONGITUDE_DIRECTION": "EAST",
        "COORDINATE_SYSTEM_NAME": "PLANETOCENTRIC",
    }
    try:
        odd = [f"{key} = {said[key]}" for key, value in wanted.items() if said[key] != value]
        width, height = int(said["LINE_SAMPLES"]), int(said["LINES"])
        step = 1.0 / float(said["MAP_RESOLUTION"])
        west, north = float(said["WESTERNMOST_LONGITUDE"]), float(said["MAXIMUM_LATITUDE"])
        image = label.with_name(said["IMAGE"].lower())
    except (KeyError, ValueError, ZeroDivisionError) as error:
        raise SourceError(
            f"{label.name} is no label of a map ({error})", next_step="fetch it again"
        ) from error
    if odd:
        raise SourceError(f"{label.name} describes a grid of another kind ({', '.join(odd)})")
    return f"""<VRTDataset rasterXSize="{width}" rasterYSize="{height}">
  <SRS dataAxisToSRSAxisMapping="2,1">{crs_code}</SRS>
  <GeoTransform>{west}, {step}, 0.0, {north}, 0.0, {-step}</GeoTransform>
  <VRTRasterBand dataType="Int16" band="1" subClass="VRTRawRasterBand">
    <UnitType>m</UnitType>
    <SourceFilename relativetoVRT="1">{image.name}</SourceFilename>
    <ImageOffset>0</ImageOffset>
    <PixelOffset>2</PixelOffset>
    <LineOffset>{2 * width}</LineOffset>
    <ByteOrder>MSB</ByteOrder>
  </VRTRasterBand>
</VRTDataset>
"""
