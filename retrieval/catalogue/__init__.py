"""Published catalogues of any origin, brought to one schema and one longitude convention.

readers   files of every format to one table: `read_catalogue`
columns   the usual names of columns, their units and conventions
geometry  lines and polygons on the sphere, and their sizes
kml       placemarks of KML and KMZ
units     units of a geologic map, from their codes
"""

from retrieval.catalogue.columns import COLUMNS
from retrieval.catalogue.readers import FORMATS, MAX_BYTES, read_catalogue

__all__ = ["COLUMNS", "FORMATS", "MAX_BYTES", "read_catalogue"]
