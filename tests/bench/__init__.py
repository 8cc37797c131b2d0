"""What a part of a service costs, measured from inside; `cabrank bench` measures the
whole from outside. Each file is a program: `python -m tests.bench.writer`;
`compare/` runs a revision beside another (`make bench-compare`).
"""
