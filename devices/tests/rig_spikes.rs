//! Rasters over links: a bit a cell, the readings of the device behind, and what is no spike refused.

#![cfg(feature = "rig")]
#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nalgebra::{DMatrix, DVector};
use rand::RngExt;
use twinprop_devices::neuromorphic::{LifChip, LifChipConfig, LifReadout};
use twinprop_devices::rig::transport::Tcp;
use twinprop_devices::rig::{
    Capacity, Emulator, EmulatorConfig, Encoding, FaultsConfig, Patience, Rig, RigOptions, Target,
    Transport,
};
use twinprop_devices::{Channels, DeviceError, Interface, PhysicalLayer, random};

mod support;

use support::EVERY_FAULT;

const LINES: usize = 700;
const STEPS: usize = 100;
const CELLS: usize = LINES * STEPS;

/// Reads the drives of the step before, and `stray` in the first step.
struct Delay {
    interface: Interface,
    stray: f32,
}

impl Delay {
    fn new(stray: f32) -> Self {
        let interface = Interface {
            device: "delay".to_owned(),
            inputs: Channels::raster("in", LINES, STEPS),
            parameters: Channels::none(),
            outputs: Channels::raster("out", LINES, STEPS),
            seconds_per_shot: 0.0,
        };
        Self { interface, stray }
    }
}

impl PhysicalLayer for Delay {
    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn measure(
        &mut self,
        inputs: &DMatrix<f32>,
        _parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        outputs.rows_mut(0, LINES).fill(self.stray);
        outputs.rows_mut(LINES, CELLS - LINES).copy_from(&inputs.rows(0, CELLS - LINES));
        Ok(())
    }
}

/// Counts the bytes of a link, both ways.
struct Counted {
    link: Tcp,
    bytes: [Arc<AtomicUsize>; 2],
}

impl Transport for Counted {
    fn open(&mut self) -> Result<(), String> {
        self.link.open()
    }

    fn read(&mut self, bytes: &mut [u8], patience: Duration) -> io::Result<usize> {
        let count = self.link.read(bytes, patience)?;
        self.bytes[1].fetch_add(count, Ordering::Relaxed);
        Ok(count)
    }

    fn write(&mut self, bytes: &[u8], patience: Duration) -> io::Result<usize> {
        let count = self.link.write(bytes, patience)?;
        self.bytes[0].fetch_add(count, Ordering::Relaxed);
        Ok(count)
    }
}

fn serve(layer: impl PhysicalLayer + 'static, capacity: Capacity, faults: FaultsConfig) -> String {
    let config = EmulatorConfig { capacity, faults, seed: 3, ..EmulatorConfig::default() };
    let mut emulator = Emulator::new(Box::new(layer), "spiking", config);
    support::listen(move |mut link| emulator.serve(&mut link, |_| {}).unwrap())
}

fn rig_at(address: &str, encoding: Encoding) -> Result<Rig, DeviceError> {
    Rig::on(Box::new(Tcp::new(address)), address, Patience::default(), encoding)
}

/// Rasters of `cells` cells, a share of them spikes.
fn rasters(cells: usize, shots: usize, share: f64) -> DMatrix<f32> {
    let mut random = random::stream(11, "rasters");
    DMatrix::from_fn(cells, shots, |_, _| f32::from(random.random_bool(share)))
}

fn measured(
    layer: &mut dyn PhysicalLayer,
    inputs: &DMatrix<f32>,
    parameters: &DVector<f32>,
) -> Result<DMatrix<f32>, DeviceError> {
    let mut outputs =
        DMatrix::from_element(layer.interface().outputs.len(), inputs.ncols(), f32::NAN);
    layer.measure(inputs, parameters, &mut outputs)?;
    Ok(outputs)
}

#[test]
fn a_shot_of_seven_hundred_lines_in_a_hundred_steps_is_a_bit_a_cell_and_little_more() {
    const SHOTS: usize = 60;
    let address = serve(Delay::new(0.0), Capacity::default(), FaultsConfig::default());
    let bytes: [Arc<AtomicUsize>; 2] = Default::default();
    let link = Counted { link: Tcp::new(&address), bytes: bytes.clone() };
    let patience = Patience::default();
    let mut rig = Rig::on(Box::new(link), &address, patience, Encoding::Floats).unwrap();
    let inputs = rasters(CELLS, SHOTS, 0.5);
    let so_far = || bytes.each_ref().map(|count| count.load(Ordering::Relaxed));
    let (before, counts) = (so_far(), rig.monitor().counts());
    let outputs = measured(&mut rig, &inputs, &DVector::zeros(0)).unwrap();
    let (after, counts_after) = (so_far(), rig.monitor().counts());
    assert_eq!(outputs, measured(&mut Delay::new(0.0), &inputs, &DVector::zeros(0)).unwrap());

    // PROTOCOL.md: 22 bytes a frame, and one for each 254 begun. A frame holds one shot, and is sent again where a busy
    // machine answers late.
    let payload = SHOTS * CELLS.div_ceil(8);
    let repeated = (counts_after.frames_repeated - counts.frames_repeated) as usize;
    let most = payload + repeated * CELLS.div_ceil(8);
    let frames = [
        counts_after.frames_sent - counts.frames_sent,
        counts_after.frames_received - counts.frames_received,
    ];
    for (way, frames) in frames.into_iter().enumerate() {
        let (count, frames) = (after[way] - before[way], frames as usize);
        let limit = most + 22 * frames + (most + 20 * frames) / 254 + frames;
        println!("{count} bytes for {payload} of cells in {frames} frames, at most {limit}");
        assert!((payload..=limit).contains(&count), "{count} bytes, {payload} to {limit}");
    }
}

#[test]
fn a_chip_behind_a_faulty_link_reads_as_the_chip_itself() {
    for readout in [LifReadout::Raster, LifReadout::Counts, LifReadout::RasterAndMembrane] {
        let config =
            LifChipConfig { lines: 13, neurons: 5, steps: 11, readout, ..Default::default() };
        let chip = || LifChip::nominal(&config).unwrap();
        let inputs = rasters(13 * 11, 80, 0.2);
        let parameters = DVector::from_fn(chip().interface().parameters.len(), |place, _| {
            (place * 7 % 11) as f32 / 5.0 - 0.6
        });
        let here = measured(&mut chip(), &inputs, &parameters).unwrap();
        assert!(here.iter().any(|reading| *reading != 0.0), "{readout:?}");
        // A flipped byte in a thousand leaves few large frames whole.
        let capacity =
            Capacity { largest_frame: 280, window_bytes: 4 * 280, ..Capacity::default() };
        let mut rig = rig_at(&serve(chip(), capacity, EVERY_FAULT), Encoding::Codes).unwrap();
        assert!(rig.identity().greeting.spikes);
        assert_eq!(measured(&mut rig, &inputs, &parameters).unwrap(), here, "{readout:?}");
    }
}

#[test]
fn a_rig_without_spikes_gets_floats_or_codes_where_they_fit_and_else_a_clear_error() {
    let capacity = Capacity { spikes: false, largest_frame: 1 << 16, ..Capacity::default() };
    let chip = || LifChip::nominal(&LifChipConfig::default()).unwrap();
    let inputs = rasters(chip().interface().inputs.len(), 20, 0.2);
    let parameters = DVector::from_element(chip().interface().parameters.len(), 0.4);
    let here = measured(&mut chip(), &inputs, &parameters).unwrap();
    let address = serve(chip(), capacity, FaultsConfig::default());
    for encoding in [Encoding::Floats, Encoding::Codes] {
        let mut rig = rig_at(&address, encoding).unwrap();
        assert!(!rig.identity().greeting.spikes);
        assert_eq!(measured(&mut rig, &inputs, &parameters).unwrap(), here, "{encoding:?}");
    }
    let address = serve(Delay::new(0.0), capacity, FaultsConfig::default());
    let error = rig_at(&address, Encoding::Floats).err().unwrap().to_string();
    assert!(error.contains("does not take play spikes") && error.contains("65536"), "{error}");
}

#[test]
fn what_is_no_spike_is_refused_at_both_ends() {
    let mut rig = rig_at(
        &serve(Delay::new(0.5), Capacity::default(), FaultsConfig::default()),
        Encoding::Floats,
    )
    .unwrap();
    let mut inputs = rasters(CELLS, 2, 0.1);
    let error = measured(&mut rig, &inputs, &DVector::zeros(0)).unwrap_err();
    assert!(
        matches!(error, DeviceError::Rig { .. }) && error.to_string().contains("0.5"),
        "{error}"
    );
    for value in [0.5, f32::NAN] {
        inputs[(3 * LINES + 5, 1)] = value;
        let error = measured(&mut rig, &inputs, &DVector::zeros(0)).unwrap_err();
        let is_named = matches!(error, DeviceError::NotASpike { line: 5, step: 3, shot: 1, .. });
        assert!(is_named, "{error}");
    }
}

const SCRIPT: &str = r#"
import sys
sys.path.insert(0, "FOLDER")
from twinprop_rig import raster, rig

@rig(inputs=raster("in", 700, 100), outputs=raster("out", 700, 100), watchdog=0)
def measure(shots, _):
    return [[0] * 700 + list(shot[:-700]) for shot in shots]

measure.serve()
"#;

#[test]
fn a_script_measures_rasters() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../python");
    if !folder.join("twinprop_rig.py").exists() {
        println!("skipped: the crate is not in its repository");
        return;
    }
    let path = std::env::temp_dir().join(format!("spikes-{}.py", std::process::id()));
    std::fs::write(&path, SCRIPT.replace("FOLDER", &folder.display().to_string())).unwrap();
    let target: Target = format!("process:python3 {}", path.display()).parse().unwrap();
    let mut rig = Rig::open(&target, RigOptions::default()).unwrap();
    let inputs = rasters(CELLS, 12, 0.1);
    let there = measured(&mut rig, &inputs, &DVector::zeros(0)).unwrap();
    assert_eq!(there, measured(&mut Delay::new(0.0), &inputs, &DVector::zeros(0)).unwrap());
    drop(rig);
    std::fs::remove_file(path).unwrap();
}
