"""How good are the answers? Tasks, the rows compared on them, measures, and the report.

Data walks one way: collections and captions (`data`, `captions`) -> rankers (`rankers`, `rows`) ->
tasks (`ratings`, `photos`, `finding`) -> measures -> report. Only `search evaluate` needs it, and the
extra `evaluate` (scipy, pytrec_eval, matplotlib).
"""
