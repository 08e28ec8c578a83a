"""Runs and studies: from a configuration to records, tables and statistics over seeds."""
