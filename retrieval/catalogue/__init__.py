"""Published catalogues of any origin, brought to one schema and one longitude convention.

readers   files of every format to one table: `read_catalogue`
columns   the usual names of columns, their units and conventions
geometry  lines and polygons on the sphere, and their sizes
kml       placemarks of KML and KMZ
geojson   features one after another, however many
archive   the catalogue in a zip
units     units of a geologic map, from their codes
apart     the same in a process of its own, for large files: `read_apart`
"""

from retrieval.catalogue.apart import read_apart
from retrieval.catalogue.columns import COLUMNS, UNSAID, Convention
from retrieval.catalogue.readers import FORMATS, MAX_BYTES, MAX_ROWS, SUFFIXES, read_catalogue

__all__ = [
    "COLUMNS",
    "FORMATS",
    "MAX_BYTES",
    "MAX_ROWS",
    "SUFFIXES",
    "UNSAID",
    "Convention",
    "read_apart",
    "read_catalogue",
]
