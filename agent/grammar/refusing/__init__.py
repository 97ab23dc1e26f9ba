"""What pictures and positions cannot tell, what cannot be meant, and what is said instead."""
