"""Tools that count, compare and test a layer, and what they share.

summary        counts, areas and lengths: `summarise`
density        how many per area, by a quantity or in cells (per_area: the figures of it)
comparison     two layers, or a layer and the ground (samples: their values; ground: the ground's)
association    nearness against chance (strata: classes of ground)
orientation    directions and tests of them (axes: the directions of rows)
novelty        what a catalogue does not list; assessment: a layer held against a catalogue
robustness     stricter thresholds, and p values corrected for many tests
"""
