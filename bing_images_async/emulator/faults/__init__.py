"""Limits, latency and faults, and the journal of requests."""
