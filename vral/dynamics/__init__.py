"""The local theory at work: what linearising a game tells of it, one module per question."""
