"""How this program is named by its user, and how its own processes start."""
