"""Real servers for tests and chaos scripts: used where they already run, started privately where they do not.

Each class is a context manager that works without pytest. A server lives in its own process group, on a free
port of 127.0.0.1, with its files in a temporary folder, and dies with the process that started it, even by
`kill -9`.
"""
