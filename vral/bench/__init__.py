"""``vral bench``: our update against the loops that people write, on one machine at once."""
