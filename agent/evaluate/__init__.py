"""How right an agent's answers are: questions whose answers are known, asked, and scored part by part."""
