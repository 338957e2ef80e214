"""Photos from the web: found by a provider, downloaded politely, kept with their origin and licence.

A scrape:

scraper.py          The scrape as a whole: searches -> frontier -> downloads -> keeper -> files and manifest
settings.py         How to scrape, and whom a site's owner may write to
options.py          The options that say how to scrape
command.py          `indexer scrape`: reads options, calls `indexer.scrape.scraper.scrape`
report.py           What a scrape has done, counted by status and reason
indexing.py         A scraped folder into an index in one go: titles and generated captions
data_set.py         The data set that a manifest tells of: photos and their titles
titles.py           Titles of pictures as captions
excluded.py         Pictures that the folder's owner keeps out of it

Looking for pictures (see providers/, too):

searching.py        Queries -> providers, page by page -> what they found, and how far each search has got
circuit_breaker.py  A provider that fails in a way that the next query would meet, too, is asked no more
credit.py           What is said of a picture: title, page, creator, licence
text.py             Titles and names from the web as plain text: no markup, no control characters, one line

Waiting:

frontier.py         What waits to be downloaded: bounded, and fair between hosts
waiting.py          Tasks of one event loop that wait for a change; no locks
task_group.py       Tasks of an event loop that stand and fall together
pace.py             How fast a host may be asked: connections, time between requests, pauses

Downloading:

fetch.py            Polite fetching: robots, the host's pace, redirects, retries by kind of failure
robots.py           What a site asks of robots: robots.txt (RFC 9309), X-Robots-Tag and robots meta elements
addresses.py        Which addresses may be asked: http(s) on public machines only
transport.py        One HTTP request with every limit: address, time, size
reasons.py          Why an address was not fetched or a query not answered, and what follows

Keeping:

keeping.py          What was downloaded -> checked, compared with all that is there, and stored
examiner.py         Pictures from outside are decoded in a process of their own
store.py            Bytes from outside -> a checked photo -> a file whose name is made from its content
ledger.py           What a scrape has seen: addresses, contents, near duplicates

What is written down:

items.py            What flows through a scrape: an item, from found to its final status
manifest.py         The manifest of a scraped folder: JSON lines, only ever appended to
outcome.py          What an item has come to -> the line that the manifest needs for it
reopening.py        What an earlier run left open or refused, and a later one asks for again
"""
