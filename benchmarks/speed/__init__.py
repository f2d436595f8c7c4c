"""What typed, paced and retried pages cost, beside other ways to get them: `python -m benchmarks`."""
