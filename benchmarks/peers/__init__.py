"""The parts of benchmarks/bench_peers.py: texts, converted models, engines, the process of one engine, the report."""
