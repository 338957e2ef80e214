#!/bin/sh
# The recipe of the default model. DATA is a folder with flickr8k/ and coco/annotations/.
# Usage: scripts/train_default.sh DATA RUNS      (goes on where it stopped)
set -eu
data=$1
runs=$2
coco=$data/coco/annotations
captioner=${CAPTIONER:-captioner}

# 1. Decoder and word detector on the frozen encoder; COCO's captions are learnt from as text alone.
"$captioner" train --arch default --flickr8k "$data/flickr8k" --epochs 10 \
    --text "$coco/captions_val2017.json" --text "$coco/captions_val2014_part.json" \
    --without "$coco/captions_mini.json" --cache "$runs/features" -o "$runs/frozen" --resume
