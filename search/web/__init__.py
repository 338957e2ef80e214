"""The page and its REST API: `create_app` gives the application, `search serve` runs it.

Needs the extra `web` (fastapi, uvicorn, python-multipart, prometheus-client). Imported by
`search serve` alone, and only when it runs.

The application:

app.py             The application: its routes, its page, and what stands before them
settings.py        What an operator decides when the server starts
server.py          The HTTP server: its socket, and limits for the head of a request
operation.py       What whoever runs the server asks: signs of life, and numbers for Prometheus
metrics.py         What Prometheus reads at /metrics

Before every route:

security.py        What stands before every route: who may ask, how much may be sent
hosts.py           Names of a server: which are its own, and which it answers to

The API:

api_paths.py       Where the API is on a server
api.py             The REST API's routes: read the request, call the service, answer
parameters.py      What clients may ask: the query parameters of each route, checked
service.py         What the routes call: each search as one awaitable, with its checks, bounds and timings
answers.py         What the routes answer, as OpenAPI describes it
presentation.py    Results -> the JSON of an answer: links to pictures
problems.py        Errors as problem documents (RFC 9457), one line for a person in `detail`

The page:

page.py            The page and its parts: a handful of files, read once at start; no request names a path
problem_page.py    The page that a browser shows where an address leads to a problem: what is wrong
browser_copies.py  Copies that browsers keep: before each use they ask whether theirs is current

Photos:

captioning.py      Captions for simultaneous requests: one worker, a bounded queue, batches
photo_url.py       A photo by its web address, where the operator allows it
pictures.py        Picture files, only from folders named at start; thumbnails of them
seen_images.py     Where the pictures of images are, without asking the index every time

Beside the event loop:

threads.py         Blocking calls beside the event loop: in threads, bounded, with a time-out
failure_log.py     What goes wrong at every request of an outage, in the server's log: told
"""
