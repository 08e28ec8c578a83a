"""Data sets as tensors on the device, and the stream of random draws."""
