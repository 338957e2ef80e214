#!/bin/sh
# What the program's container does: a command of this program, or
#   serve [OPTION...]   the web page on port 8000, with the pictures below $PHOTOS where there is such a folder
#   first-index         an index with a few sample captions, where there is none yet, so that the page can start
set -eu

first_index() {
  if said=$(indexer status 2>&1 > /dev/null); then
    return
  fi
  case $said in
    *"no such index; make it"*) indexer build --jsonl "${SAMPLE:-/opt/sample.jsonl}" --rejects /tmp/rejected.jsonl ;;
    # An index that cannot be read now, or that only lost its name, is not replaced.
    *) echo "$said" >&2; exit 1 ;;
  esac
}

case ${1:-serve} in
  serve)
    [ $# -eq 0 ] || shift
    if [ -z "${SEARCH_TOKEN:-}" ]; then
      echo "Error: set SEARCH_TOKEN (16 characters or more): the page listens on every address" >&2
      exit 1
    fi
    if [ -d "${PHOTOS:-/photos}" ]; then
      set -- --images "${PHOTOS:-/photos}" "$@"
    fi
    exec search serve --host 0.0.0.0 --port "${PORT:-8000}" "$@"
    ;;
  first-index) first_index ;;
  *) exec "$@" ;;
esac
