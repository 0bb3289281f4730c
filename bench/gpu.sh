#!/bin/sh
# `bench/gpu.sh [BACKEND] [FOLDER]` checks and measures twinprop on a GPU, by the backend cuda (the default) or wgpu: tests of
# the devices in tensors and of the rules; training steps in turns with PyTorch (--ways of gpu_steps) on the same GPU; two
# whole trainings. It takes about ten minutes beside the build. MNIST and Fashion-MNIST are read from $TWINPROP_DATA; without
# it there are no trainings. PyTorch is that of $TWINPROP_PYTHON, or python3's. Results are written to FOLDER, by default
# target/gpu. `STEPS` and `TRAIN` are further options of gpu_steps and of the trainings; with TEST=no the tests are left out.
set -eu
cd "$(dirname "$0")/.."
backend=${1:-cuda}
folder=${2:-target/gpu}
python=${TWINPROP_PYTHON:-python3}
mkdir -p "$folder"
cargo build --release -p twinprop -p twinprop-bench --features "twinprop/$backend" --bin twinprop --bin gpu_steps
programs=${CARGO_TARGET_DIR:-target}/release
if [ "${TEST:-}" != no ]; then
    cargo test --release -p twinprop -p twinprop-calibration --features "twinprop/$backend" --test tensors --test identities
fi
torch=cuda
"$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' || torch=cpu
# shellcheck disable=SC2086
"$programs/gpu_steps" --backend "$backend" --python "$python" --torch $torch ${STEPS:-} | tee "$folder/steps.md"
if [ -n "${TWINPROP_DATA:-}" ]; then
    # The true device of the published second example: couplings off by 0.2, a bend of 0.1, noise of 0.02 rad on the drives.
    set -- --backend "$backend" --data-dir "$TWINPROP_DATA"
    for layer in first second; do
        set -- "$@" --set "devices.$layer.model.oscillators.coupling_deviation=0.2" \
            --set "devices.$layer.model.oscillators.bend=0.1" \
            --set "devices.$layer.imperfections={ input_noise = 0.000625 }"
    done
    # shellcheck disable=SC2086
    "$programs/twinprop" train experiments/mnist-oscillators.toml "$@" --out "$folder/mnist-oscillators" ${TRAIN:-}
    # shellcheck disable=SC2086
    "$programs/twinprop" train experiments/fashion-mnist-oscillators.toml --backend "$backend" --data-dir "$TWINPROP_DATA" \
        --out "$folder/fashion-mnist-oscillators" ${TRAIN:-}
fi
echo "results: $folder"
