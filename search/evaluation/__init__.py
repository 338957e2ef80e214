"""How good are the answers? Only `search evaluate` needs it, and the extra `evaluate`.

data.py            captioned photos and rated pairs
captions.py        generated captions, read or written once
encoder_output.py  what encoders themselves see
material.py        all of these, gathered
rankers.py         ways to rank an archive for a query
engines.py         the ranker that users have: this program's own index
bm25.py            the ranker of Elasticsearch itself
rows.py            the rows of the table: named ways to make sets, compare and rank
gains.py           how alike two photos are by what people wrote
measures.py        correlation, nDCG, recall, intervals
tasks.py           people's ratings, photo to photo, caption to photo
evaluation.py      every row through every task
exchange.py        runs and relevance as other programs read them
report.py          table, JSON, plot
extra.py           packages that nothing but an evaluation needs
run.py             all of it, from what was chosen to its files
"""
