#!/bin/sh
# The whole suite beside its peers: `bench/run.sh [FOLDER]`, which gets results.json and peers/, the Python
# that the peers need, if python3 has no numpy, scipy and torch.
set -eu
cd "$(dirname "$0")/.."
folder=${1:-target/bench}
mkdir -p "$folder"
python=python3
if ! $python -c 'import numpy, scipy, torch' 2>/dev/null; then
    python=$folder/peers/bin/python
    if ! "$python" -c 'import numpy, scipy, torch' 2>/dev/null; then
        python3 -m venv "$folder/peers"
        "$python" -m pip install --quiet numpy scipy torch
    fi
fi
cargo run --release -p twinprop-bench -- --python "$python" --json "$folder/results.json"
echo "results: $folder/results.json"
