#!/bin/sh
# `bench/run.sh [FOLDER]` runs all benchmarks beside their peers. It writes FOLDER/results.json and, if python3 has no
# numpy, scipy and torch, FOLDER/peers/ with a Python that has them. MNIST is read from $TWINPROP_DATA/mnist.
# `bench/run.sh --publish` also writes bench/results.json and the table of bench/README.md.
# `bench/run.sh --short` only counts instructions, which needs valgrind, and fails if a count is over 5 % above
# bench/instructions.json.
set -eu
cd "$(dirname "$0")/.."
if [ "${1:-}" = --short ]; then
    exec cargo run --release -p twinprop-bench --bin instructions
fi
publish=
if [ "${1:-}" = --publish ]; then
    publish="--table bench/README.md"
    shift
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
cargo run --release -p twinprop-bench -- --python "$python" --json "$folder/results.json" $publish
[ -z "$publish" ] || cp "$folder/results.json" bench/results.json
mnist=
[ -d "${TWINPROP_DATA:-}/mnist" ] && mnist="--mnist $TWINPROP_DATA"
cargo run --release -p twinprop-bench --bin scaling -- --python "$python" $mnist
cargo run --release -p twinprop-bench --bin device_busy
cargo run --release -p twinprop-bench --bin device_busy -- --parts 4
if command -v valgrind >/dev/null; then
    cargo run --release -p twinprop-bench --bin instructions
fi
echo "results: $folder/results.json"
