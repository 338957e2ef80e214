#!/bin/bash
# Runs once before a cluster starts, in Elasticsearch's image: a CA and one certificate for each node.
#
# certificates.sh FOLDER NODE...   writes FOLDER/ca/ca.crt, FOLDER/NODE/NODE.crt and .key; keeps what is there.
set -euo pipefail

folder=$1
shift
certutil=${CERTUTIL:-bin/elasticsearch-certutil}
mkdir -p "$folder"
# The readers are of the image's group 0; nobody else may read a key.
umask 027

if [[ ! -f "$folder/ca/ca.key" ]]; then
  "$certutil" ca --silent --pem --out "$folder/ca.zip"
  unzip -q -o "$folder/ca.zip" -d "$folder"
  rm "$folder/ca.zip"
fi
missing=()
for node in "$@"; do
  [[ -f "$folder/$node/$node.key" ]] || missing+=("$node")
done
if ((${#missing[@]})); then
  {
    echo "instances:"
    for node in "${missing[@]}"; do
      printf -- '- name: %s\n  dns: [%s, localhost]\n  ip: [127.0.0.1]\n' "$node" "$node"
    done
  } > "$folder/instances.yml"
  "$certutil" cert --silent --pem --in "$folder/instances.yml" --out "$folder/nodes.zip" \
    --ca-cert "$folder/ca/ca.crt" --ca-key "$folder/ca/ca.key"
  unzip -q -o "$folder/nodes.zip" -d "$folder"
  rm "$folder/nodes.zip" "$folder/instances.yml"
fi
# The program's own image runs as another user, and reads the CA's certificate only.
chmod 755 "$folder" "$folder/ca"
chmod 644 "$folder/ca/ca.crt"
echo "certificates: done" >&2
