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

# 2. The encoder too, on a finer grid, held to what detectors say that never saw the photo.
# (The packaged model goes on from the fourth epoch of these six; dev CIDEr-D had stopped rising.)
"$captioner" train --flickr8k "$data/flickr8k" --from "$runs/frozen/best" --epochs 6 \
    --encoder-rate 1.5e-4 --rate 4e-4 --grid 8 \
    --text "$coco/captions_val2017.json" --text "$coco/captions_val2014_part.json" \
    --without "$coco/captions_mini.json" --text-photos 8 --cache "$runs/features" -o "$runs/tuned" --resume

# 3. Captions drawn from the model itself, rewarded by CIDEr-D.
"$captioner" train --flickr8k "$data/flickr8k" --from "$runs/tuned/best" --epochs 3 --self-critical \
    --encoder-rate 3e-5 --rate 1e-4 --cache "$runs/features" -o "$runs/critical" --resume

# 4. What the training photos' captions agree on, as the trained encoder sees these photos, and which words come
# together in captions without photos.
"$captioner" consensus "$runs/critical/best" --flickr8k "$data/flickr8k" \
    --text "$coco/captions_val2017.json" --text "$coco/captions_val2014_part.json" \
    --without "$coco/captions_mini.json" -o "$runs/consensus"
