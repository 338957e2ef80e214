"""A real Elasticsearch for tests and trials; `elasticsearch_server.py` is its command.

cluster.py starts a server: a container (container.py), or nodes (node.py, security.py) of the distribution
that distribution.py finds; state.py remembers what runs, and stops it. Needs nothing but Python.
"""
