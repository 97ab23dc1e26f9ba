"""How things lie to each other: near, far, touching, nearest, downslope, like a picture."""
