"""Build an index: `draw` tiles into `parts` on disk, then `assemble` the parts into the files of an index.

`retrieval.index.build_index` is the public door.
"""

from retrieval.building.assemble import assemble
from retrieval.building.draw import Progress, draw_parts
from retrieval.building.parts import MIN_OBSERVED, THUMBNAIL_PX, building_folder

__all__ = ["MIN_OBSERVED", "THUMBNAIL_PX", "Progress", "assemble", "building_folder", "draw_parts"]
