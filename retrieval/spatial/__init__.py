"""Geometry and statistics on a sphere: positions, shapes, regions, and what follows from them.

Everything that needs a tree, an area or a polygon asks here, so that the antimeridian, the poles and the
chord are handled once. Nothing here opens a raster, draws a picture or loads a model.
"""
