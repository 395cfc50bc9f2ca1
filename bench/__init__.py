"""Measurements: speed and memory as ratios against something run beside them. `make bench` writes BENCHMARKS.md."""
