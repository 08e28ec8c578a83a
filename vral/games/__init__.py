"""Games: each maps its players to losses of a profile and a draw."""
