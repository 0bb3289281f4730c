#!/bin/sh
# `bench/gpu.sh [BACKEND] [FOLDER]` checks and measures twinprop on a GPU, by the backend wgpu (the default) or cuda:
# 1. the tests of devices in tensors and of training rules;
# 2. training steps of every kind of device, in turns with PyTorch on the same GPU;
# 3. two whole trainings: mnist-oscillators on the second published device, and fashion-mnist-oscillators.
# Results are written to FOLDER, by default target/gpu. Set in the environment:
#   TWINPROP_DATA     the folder of MNIST and Fashion-MNIST; there are no trainings without it
#   TWINPROP_PYTHON   a Python with PyTorch, by default python3
#   PROGRAMS          a folder with twinprop and gpu_steps, built elsewhere: nothing is built, and there are no tests
#   STEPS, TRAIN      further options of gpu_steps and of the trainings, such as `STEPS="--modes eager"`
set -eu
cd "$(dirname "$0")/.."
backend=${1:-wgpu}
folder=${2:-target/gpu}
python=${TWINPROP_PYTHON:-python3}
mkdir -p "$folder"
if [ -z "${PROGRAMS:-}" ]; then
    PROGRAMS=${CARGO_TARGET_DIR:-target}/release
    cargo build --release -p twinprop -p twinprop-bench --features "twinprop/$backend" --bin twinprop --bin gpu_steps
    cargo test --release -p twinprop -p twinprop-calibration --features "twinprop/$backend" --test tensors --test identities
fi
torch=cuda
"$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' || torch=cpu
# shellcheck disable=SC2086
"$PROGRAMS/gpu_steps" --backend "$backend" --python "$python" --torch $torch ${STEPS:-} >"$folder/steps.md"
cat "$folder/steps.md"
if [ -n "${TWINPROP_DATA:-}" ]; then
    set -- --backend "$backend" --data-dir "$TWINPROP_DATA" --set accounting.digital_peer=false
    # shellcheck disable=SC2086
    "$PROGRAMS/twinprop" train experiments/fashion-mnist-oscillators.toml "$@" \
        --out "$folder/fashion-mnist-oscillators" ${TRAIN:-}
    # Couplings off by 0.2, a bend of 0.1, and 0.02 rad of noise on the drives.
    for layer in first second; do
        set -- "$@" --set "devices.$layer.model.oscillators.coupling_deviation=0.2" \
            --set "devices.$layer.model.oscillators.bend=0.1" \
            --set "devices.$layer.imperfections={ input_noise = 0.000625 }"
    done
    # shellcheck disable=SC2086
    "$PROGRAMS/twinprop" train experiments/mnist-oscillators.toml "$@" --out "$folder/mnist-oscillators" ${TRAIN:-}
fi
echo "results: $folder"
