"""What is wanted besides where: numbers, areas, densities, comparisons, values, directions, maps."""
