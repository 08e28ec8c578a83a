"""The one trainer: state, step, schedule, loop, records and checkpoints."""
