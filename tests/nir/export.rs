//! Runs as graphs: what the twins say, what is refused, and a trained network that goes out, comes back and is trained on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::OnceLock;

use tempfile::TempDir;
use twinprop::nir::{Exported, Grid, Omission, SpikingNetwork};
use twinprop::training::Unobserved;

use super::support::program;

/// Handwritten digits as spikes, on a chip of 24 recurrent neurons.
const RECIPE: &str = r#"
seed = 1
network = ["wire", { physical = { device = "chip", start = 0.3 } }, "spike_counts", { linear = { outputs = 10 } }]

[data]
source = "digits"
view = { spikes = { steps = 12, white = 16.0 } }

[devices.chip.model.lif_chip]
lines = 64
neurons = 24
steps = 12
membrane_time = 10.0
synaptic_time = 3.0
refractory = 0
largest_weight = 1.0
weight_bits = 6
gain_error = 0.1

[devices.chip.imperfections]
mismatch = 0.1

[calibration]
twin = { surrogate = { slope = 10.0 } }
design = { task_like = { uniform_share = 0.0, input_spread = 0.0, parameter_spread = 0.02 } }
shots = 300
test_shots = 50
fidelity = { points = 4 }
require = "none"

[training]
rule = "pat"
epochs = 1
batch = 64
learning_rate = 0.005
refinement = "off"

[accounting]
digital_peer = false
"#;

fn twinprop(folder: &Path, arguments: &[&str]) -> Output {
    program().current_dir(folder).args(arguments).output().unwrap()
}

/// What `twinprop ARGUMENTS` prints.
fn printed(folder: &Path, arguments: &[&str]) -> String {
    let output = twinprop(folder, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Why `twinprop ARGUMENTS` is refused.
fn refused(folder: &Path, arguments: &[&str]) -> String {
    let output = twinprop(folder, arguments);
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}

/// A folder with the run `run` and, with learned constants, `learned`.
fn runs() -> &'static Path {
    static RUNS: OnceLock<TempDir> = OnceLock::new();
    let folder = RUNS.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("digits.toml"), RECIPE).unwrap();
        printed(folder.path(), &["train", "digits.toml", "--out", "run"]);
        let learned = "calibration.twin={ surrogate = { slope = 10.0, constants = {} } }";
        printed(folder.path(), &["train", "digits.toml", "--out", "learned", "--set", learned]);
        folder
    });
    folder.path()
}

/// A copy of the run `run` with `settings` in its recipe, each key with its new value.
fn changed(name: &str, settings: &[(&str, &str)]) -> PathBuf {
    let path = runs().join(name);
    fs::create_dir_all(&path).unwrap();
    for entry in fs::read_dir(runs().join("run")).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), path.join(entry.file_name())).unwrap();
        }
    }
    let recipe = path.join("recipe.toml");
    let text = fs::read_to_string(&recipe).unwrap();
    let lines = text.lines().map(|line| {
        let key = line.split(" = ").next().unwrap();
        let new = settings.iter().find(|(of, _)| *of == key);
        new.map_or_else(|| line.to_owned(), |(_, value)| format!("{key} = {value}"))
    });
    fs::write(recipe, lines.collect::<Vec<_>>().join("\n")).unwrap();
    path
}

fn exported(run: &Path, omitted: &[Omission]) -> Exported {
    SpikingNetwork::of_run(run, omitted, &mut Unobserved).unwrap()
}

#[test]
fn a_trained_network_goes_out_comes_back_and_is_trained_on() {
    let folder = runs();
    let said = printed(folder, &["nir", "export", "run", "--to", "network.nir"]);
    assert!(said.contains("constants of the data sheet"), "{said}");
    assert!(said.contains("chip: 64 lines onto 24 recurrent neurons"), "{said}");
    assert!(said.contains("digital: 24 values to 10"), "{said}");
    let network = SpikingNetwork::read(&folder.join("network.nir"), Grid::default()).unwrap();
    assert_eq!(network, exported(&folder.join("run"), &[]).network);
    assert_eq!((network.steps, network.step_seconds), (12, 1e-3));
    let population = &network.layers[0].population;
    assert_eq!(population.neurons.membrane_time, [10.0; 24]);
    // As the chip applies them: whole multiples of 1/63, none from a neuron to itself.
    for (place, weight) in population.synapses.iter().enumerate() {
        let level = weight * 63.0;
        assert!((level - level.round()).abs() < 1e-4, "{weight}");
        assert!(place < 64 * 24 || (place / 24 - 64) != place % 24 || *weight == 0.0);
    }
    assert!(network.readout[0].bias.iter().any(|bias| *bias != 0.0));
    printed(folder, &["nir", "import", "network.nir", "--to", "imported"]);
    let data = ["data.source=\"digits\"", "data.view={ spikes = { steps = 12, white = 16.0 } }"];
    let arguments =
        ["train", "imported/recipe.toml", "--out", "again", "--set", data[0], "--set", data[1]];
    let quick = ["--set", "training.epochs=1", "--set", "training.learning_rate=1e-9"];
    let digital =
        ["--set", "training.digital_learning_rate=1e-9", "--set", "accounting.digital_peer=false"];
    printed(folder, &[&arguments[..], &quick, &digital].concat());
    // A learning rate that changes nothing that matters: the second run has the first one's weights.
    let again = exported(&folder.join("again"), &[]).network;
    assert_eq!(again.layers[0].population.neurons, population.neurons);
    let weights = again.layers[0].population.synapses.iter().zip(&population.synapses);
    let most = weights.map(|(new, old)| (new - old).abs()).fold(0.0, f32::max);
    assert!(most < 1e-5, "{most}");
}

#[test]
fn learned_constants_are_exported_for_each_neuron() {
    let Exported { network, notes } = exported(&runs().join("learned"), &[]);
    assert!(notes[0].contains("as its twin has learned them"), "{notes:?}");
    let times = &network.layers[0].population.neurons.membrane_time;
    assert!(times.iter().any(|time| *time != times[0]));
    let path = runs().join("learned.nir");
    network.write(&path).unwrap();
    assert_eq!(SpikingNetwork::read(&path, Grid::default()).unwrap(), network);
    let problem = refused(runs(), &["nir", "import", "learned.nir", "--to", "uneven"]);
    assert!(problem.contains("have different membrane times"), "{problem}");
    let drop = ["nir", "export", "learned", "--to", "nominal.nir", "--drop", "constants"];
    let said = printed(runs(), &drop);
    assert!(said.contains("constants of the data sheet"), "{said}");
    printed(runs(), &["nir", "import", "nominal.nir", "--to", "even"]);
}

#[test]
fn what_nir_cannot_say_is_refused_by_name_unless_it_is_dropped() {
    let run = changed(
        "unsaid",
        &[
            ("refractory", "2"),
            ("membrane_noise", "0.05"),
            ("spike_loss", "0.01"),
            ("spike_jitter", "0.02"),
            ("adc_bits", "8"),
        ],
    );
    let run = run.to_str().unwrap();
    let problem = refused(runs(), &["nir", "export", run, "--to", "no.nir"]);
    for key in [
        "`devices.chip.model.lif_chip.refractory` = 2",
        "`devices.chip.model.lif_chip.membrane_noise` = 0.05",
        "`devices.chip.model.lif_chip.spike_loss` = 0.01",
        "`devices.chip.model.lif_chip.spike_jitter` = 0.02",
        "`devices.chip.imperfections.adc_bits` = 8",
        "--drop refractory,noise,spike-loss,spike-jitter,converters",
    ] {
        assert!(problem.contains(key), "{key}: {problem}");
    }
    let problem =
        refused(runs(), &["nir", "export", run, "--to", "no.nir", "--drop", "noise,refractory"]);
    assert!(problem.contains("spike_loss") && !problem.contains("membrane_noise"), "{problem}");
    assert!(!runs().join("no.nir").exists());
    let drop = "refractory,noise,spike-loss,spike-jitter,converters";
    let said = printed(runs(), &["nir", "export", run, "--to", "yes.nir", "--drop", drop]);
    assert!(said.contains("left out: `devices.chip.model.lif_chip.refractory` = 2"), "{said}");
    let problem = refused(runs(), &["nir", "export", run, "--to", "no.nir", "--drop", "weights"]);
    assert!(problem.contains("weights") && problem.contains("refractory"), "{problem}");
}

#[test]
fn the_readout_can_be_left_out() {
    let network = exported(&runs().join("run"), &[Omission::Readout]).network;
    assert!(network.readout.is_empty());
    let said = printed(
        runs(),
        &[
            "nir",
            "export",
            "run",
            "--to",
            "spikes.nir",
            "--drop",
            "readout",
            "--step-seconds",
            "1e-4",
        ],
    );
    assert!(said.contains("left out: stage 3 of `network`, \"linear\""), "{said}");
    let network = SpikingNetwork::read(&runs().join("spikes.nir"), Grid::default()).unwrap();
    assert_eq!(network.step_seconds, 1e-4);
    assert_eq!(network.layers[0].population.neurons.membrane_time, [10.0; 24]);
}

#[test]
fn other_stages_and_devices_are_refused_by_name() {
    let folder = runs();
    let train = |name: &str, network: &str| {
        let text =
            RECIPE.lines().filter(|line| !line.starts_with("network = ")).collect::<Vec<_>>();
        let file = format!("{name}.toml");
        fs::write(folder.join(&file), format!("network = {network}\n{}", text.join("\n"))).unwrap();
        printed(
            folder,
            &[
                "train",
                &file,
                "--out",
                name,
                "--set",
                "data.every=2",
                "--set",
                "devices.chip.model.lif_chip.lines=16",
            ],
        );
        refused(folder, &["nir", "export", name, "--to", "no.nir"])
    };
    let problem = train(
        "tanh",
        r#"["wire", { physical = { device = "chip" } }, "spike_counts", "tanh", { linear = { outputs = 10 } }]"#,
    );
    assert!(problem.contains("stage 3 of `network`, \"tanh\": NIR has no node"), "{problem}");
    let problem = train(
        "cells",
        r#"["wire", { physical = { device = "chip" } }, { linear = { outputs = 10 } }]"#,
    );
    assert!(
        problem.contains("stage 2 of `network`, \"linear\"") && problem.contains("spike_counts"),
        "{problem}"
    );
    let problem = refused(folder, &["nir", "export", "nowhere", "--to", "no.nir"]);
    assert!(problem.contains("nowhere"), "{problem}");
}
