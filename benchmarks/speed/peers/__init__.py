"""What runs in the peers' Python: workers (see `benchmarks.speed.workers`), and what they share."""
