"""The modules of benchmarks/search.py.

material.py   captions, their token sets, the questions and the true answers, made once for all engines
peers.py      each way to search, in memory or in a folder, behind one interface
servers.py    the ways that ask Elasticsearch, and loading it
measuring.py  a process for each engine, asked some questions at a time, in turns
report.py     goals, table, plot
"""
