"""Maps and charts.

draw           the tool `draw_map`: a static map as a picture
windows        what a map shows; projections: how; views: steps and words of the graticule
drawing        rows, graticules and scales on a panel; shading: rows coloured by a column
mosaic         the ground under a map (backdrop: as a picture for a panel; ground: in tiles)
paper          what maps and charts share: ink, and a figure to a file
charts         curves over their null, bars, roses, distributions
globe          the interactive map (globe_layers: its rows; globe_pictures: its ground; scripts beside)
"""
