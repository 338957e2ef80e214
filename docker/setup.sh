#!/bin/bash
# Runs once after Elasticsearch is up, in its own image: passwords of the users that the other containers are.
#
# Wants ELASTICSEARCH_URL, ELASTIC_PASSWORD, KIBANA_PASSWORD, CAPTIONS_PASSWORD, SEARCHER_PASSWORD;
# ELASTICSEARCH_CA_CERTS with TLS.
# Running it again changes nothing but passwords. Passwords go through pipes, not through arguments.
set -euo pipefail

passwords=(ELASTIC_PASSWORD KIBANA_PASSWORD CAPTIONS_PASSWORD SEARCHER_PASSWORD)
for name in ELASTICSEARCH_URL "${passwords[@]}"; do
  if [[ -z "${!name:-}" ]]; then
    echo "setup: set $name in .env" >&2
    exit 1
  fi
done
for name in "${passwords[@]}"; do
  # What is put into JSON and curl's own file needs no escaping then.
  if [[ ! "${!name}" =~ ^[A-Za-z0-9._~-]{6,}$ ]]; then
    echo "setup: $name wants 6 or more letters, digits and . _ ~ - (openssl rand -hex 16)" >&2
    exit 1
  fi
done

send() { # METHOD PATH, body on stdin
  curl --silent --show-error --fail-with-body --output /dev/stderr \
    --retry "${SETUP_RETRIES:-10}" --retry-delay 3 --retry-connrefused \
    ${ELASTICSEARCH_CA_CERTS:+--cacert "$ELASTICSEARCH_CA_CERTS"} \
    --config <(printf 'user = "elastic:%s"\n' "$ELASTIC_PASSWORD") \
    --request "$1" --header "Content-Type: application/json" --data @- "$ELASTICSEARCH_URL$2"
}

user() { # NAME PASSWORD; the user's role in es_mappings/roles.yml has the same name
  printf '{"password":"%s","roles":["%s"]}' "$2" "$1" | send PUT "/_security/user/$1"
}

printf '{"password":"%s"}' "$KIBANA_PASSWORD" | send POST /_security/user/kibana_system/_password
user captions_indexer "$CAPTIONS_PASSWORD"
user captions_searcher "$SEARCHER_PASSWORD"
echo "setup: done" >&2
