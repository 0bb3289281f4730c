#!/bin/sh
# The whole suite beside its peers: `bench/run.sh [FOLDER]`, which gets results.json and peers/, the Python
# that the peers need, if python3 has no numpy, scipy and torch. MNIST is looked for in $TWINPROP_DATA.
# `bench/run.sh --short` only counts instructions, which needs valgrind, and fails where there are more than
# bench/instructions.json says by over 5 %.
set -eu
cd "$(dirname "$0")/.."
if [ "${1:-}" = --short ]; then
    exec cargo run --release -p twinprop-bench --bin instructions
fi
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
mnist=
[ -d "${TWINPROP_DATA:-}/mnist" ] && mnist="--mnist $TWINPROP_DATA"
cargo run --release -p twinprop-bench --bin scaling -- --python "$python" $mnist
cargo run --release -p twinprop-bench --bin device_busy
cargo run --release -p twinprop-bench --bin device_busy -- --parts 4
if command -v valgrind >/dev/null; then
    cargo run --release -p twinprop-bench --bin instructions
fi
echo "results: $folder/results.json"
