"""How well scores find what a catalogue or a truth table holds.

ranking          average precision, F1, calibration error, ranks
bootstrap        95 % intervals by drawing blocks of the planet
catalogue        scores against a published catalogue
probe            the supervised baseline: a linear probe on the same vectors
landforms        every landform of Lowell, by words, beside baselines
marsretrieval    the three tasks of MarsRetrieval on data in their layouts
geolocalization  the third of them: as published, and strictly on the sphere
"""

from retrieval.evaluate.bootstrap import average_precision_interval
from retrieval.evaluate.catalogue import BLOCK_TILES, blocks_of, evaluate_catalogue, tile_truth
from retrieval.evaluate.ranking import average_precision, best_threshold, calibration_error, detection

__all__ = [
    "BLOCK_TILES",
    "average_precision",
    "average_precision_interval",
    "best_threshold",
    "blocks_of",
    "calibration_error",
    "detection",
    "evaluate_catalogue",
    "tile_truth",
]
