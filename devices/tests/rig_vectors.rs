//! The bytes of PROTOCOL.md: every implementation answers the conversations of `vectors` as specified, and arbitrary
//! bytes do no harm.

#![cfg(feature = "rig")]
#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nalgebra::DMatrix;
use rand::RngExt;
use twinprop_devices::random;
use twinprop_devices::rig::frame::{Decoder, Encoder, Header, Kind, LARGEST_FRAME};
use twinprop_devices::rig::{
    Capacity, Description, Encoding, Host, Patience, Play, Responder, Work,
};

fn vectors(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(file);
    fs::read_to_string(path).unwrap()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// The oracle of the conversation; it may have a twin.
fn oracle(description: &str, twin: bool) -> Responder {
    let capacity = Capacity {
        largest_frame: 128,
        window_bytes: 256,
        window_frames: 2,
        codes: false,
        spikes: true,
        twin,
        stateful: false,
        watchdog: Duration::from_secs(2),
    };
    let parsed: Description = serde_json::from_str(description).unwrap();
    assert_eq!(String::from_utf8(parsed.to_json()).unwrap(), description);
    Responder::new(parsed, capacity, 7)
}

/// What a device answers to shots, `[channels × shots]`, with its only parameter.
type Model = fn(&Play, f32) -> DMatrix<f32>;

/// y = x0 + 2 x1 + p, and its cotangents.
fn sum(play: &Play, p: f32) -> DMatrix<f32> {
    if play.work == Work::Vjp {
        return DMatrix::from_fn(3, play.inputs.ncols(), |row, shot| {
            [1.0, 2.0, 1.0][row] * play.cotangents[shot]
        });
    }
    let readings = play.inputs.column_iter().map(|x| x[0] + 2.0 * x[1] + p);
    DMatrix::from_iterator(1, play.inputs.ncols(), readings)
}

/// The spikes of the step before, on 3 lines in 3 steps; in the first step, of every line if p is above a half.
fn delayed(play: &Play, p: f32) -> DMatrix<f32> {
    let first = f32::from(u8::from(p > 0.5));
    DMatrix::from_fn(9, play.inputs.ncols(), |cell, shot| {
        if cell < 3 { first } else { play.inputs[(cell - 3, shot)] }
    })
}

/// The spikes of each line, and p.
fn counted(play: &Play, p: f32) -> DMatrix<f32> {
    DMatrix::from_fn(3, play.inputs.ncols(), |line, shot| {
        p + (0..3).map(|step| play.inputs[(3 * step + line, shot)]).sum::<f32>()
    })
}

fn answers(device: &mut Responder, model: Model, bytes: &[u8]) -> Vec<Vec<u8>> {
    device.receive(Duration::ZERO, bytes);
    if device.safe_is_asked() {
        device.safe_state(Ok(()));
    }
    while let Some(play) = device.play() {
        let outputs = model(&play, device.parameters()[0]);
        device.measured(&play, Ok(&outputs));
    }
    std::iter::from_fn(|| device.transmit()).collect()
}

/// An error's header and code, without its text.
fn without_text(frame: &[u8]) -> Vec<u8> {
    let mut short = Vec::new();
    Decoder::new(LARGEST_FRAME).read(frame, |frame| {
        short = Encoder::default()
            .encode(&frame.header, |bytes| bytes.extend_from_slice(&frame.payload[..2]))
            .to_vec();
    });
    short
}

#[test]
fn the_responder_answers_as_the_conversations_say() {
    for (file, twin, model, least) in [
        ("conversation.txt", false, sum as Model, 31),
        ("twin.txt", true, sum, 31),
        ("spikes.txt", false, delayed, 40),
        ("counts.txt", false, counted, 12),
    ] {
        assert!(answers_as(&vectors(file), twin, model) >= least, "{file}");
    }
}

/// How many frames were sent and answered.
fn answers_as(text: &str, twin: bool, model: Model) -> usize {
    let description = text.lines().find_map(|line| line.strip_prefix("d ")).unwrap();
    let mut device = oracle(description, twin);
    let mut got: Vec<Vec<u8>> = Vec::new();
    let mut checked = 0;
    for (number, line) in text.lines().enumerate() {
        let Some((mark, rest)) = line.split_once(' ') else { continue };
        match mark {
            ">" => {
                assert!(got.is_empty(), "line {}: more answers than expected", number + 1);
                got = answers(&mut device, model, &bytes(rest));
            }
            "<" => assert_eq!(got.remove(0), bytes(rest), "line {}", number + 1),
            "~" => {
                assert_eq!(without_text(&got.remove(0)), bytes(rest), "line {}", number + 1);
            }
            _ => continue,
        }
        checked += 1;
    }
    assert!(got.is_empty());
    checked
}

#[test]
fn the_firmware_answers_as_the_conversations_say_under_the_sanitizers() {
    if Command::new("cc").arg("--version").output().is_err() {
        println!("skipped: there is no C compiler `cc`");
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("firmware");
    let plain: (&[&str], &[&[&str]]) = (&[], &[&[], &["fuzz", "200000"], &["work"]]);
    let raster = ["-DTWINPROP_INPUTS=9", "-DTWINPROP_INPUT_STEPS=3"];
    let spikes = [&raster[..], &["-DTWINPROP_OUTPUTS=9", "-DTWINPROP_OUTPUT_STEPS=3"]].concat();
    let counts = [&raster[..], &["-DTWINPROP_OUTPUTS=3"]].concat();
    for (file, (options, runs)) in [
        ("conversation.txt", plain),
        ("spikes.txt", (&spikes, &plain.1[..2])),
        ("counts.txt", (&counts, &plain.1[..2])),
    ] {
        the_firmware_answers_as(file, &folder, options, runs);
    }
}

fn the_firmware_answers_as(file: &str, folder: &Path, options: &[&str], runs: &[&[&str]]) {
    let program = std::env::temp_dir().join(format!("twinprop-firmware-{}", std::process::id()));
    let compiled = Command::new("cc")
        .args(["-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-g", "-O1"])
        .args(["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-o"])
        .arg(&program)
        .args(options)
        .args([folder.join("twinprop_rig.c"), folder.join("test_vectors.c")])
        .output()
        .unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    for arguments in runs {
        let vectors = fs::File::open(folder.parent().unwrap().join("vectors").join(file)).unwrap();
        let output =
            Command::new(&program).args(*arguments).stdin(Stdio::from(vectors)).output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{file}: {printed}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    fs::remove_file(program).unwrap();
}

/// Cases of the decoder's fuzzer, unless `TWINPROP_FUZZ_CASES` says how many.
const CASES: u64 = 200_000;

#[test]
fn no_bytes_make_the_decoder_panic_or_grow() {
    let cases = std::env::var("TWINPROP_FUZZ_CASES").ok().and_then(|text| text.parse().ok());
    let cases: u64 = cases.unwrap_or(CASES);
    let seed = 20_261_125;
    let mut random = random::stream(seed, "fuzz");
    let mut encoder = Encoder::default();
    let kinds = [
        Kind::Play,
        Kind::Configure,
        Kind::HelloReply,
        Kind::Measured,
        Kind::Description,
        Kind::Predict,
        Kind::Vjp,
        Kind::Cotangents,
        Kind::PlaySpikes,
        Kind::MeasuredSpikes,
    ];
    let (mut frames, mut pieces) = (0u64, Vec::new());
    let mut decoder = Decoder::new(4096);
    let mut devices = ["conversation.txt", "spikes.txt"].map(|file| {
        let text = vectors(file);
        oracle(text.lines().find_map(|line| line.strip_prefix("d ")).unwrap(), true)
    });
    let mut host = Host::new(Patience::default(), Encoding::Floats);
    host.connect(Duration::ZERO);
    for case in 0..cases {
        pieces.clear();
        if random.random_bool(0.5) {
            // A frame of any size, damaged, cut or whole.
            let header = Header {
                shots: random.random(),
                channels: random.random(),
                epoch: random.random_range(0..3),
                ..Header::new(kinds[case as usize % kinds.len()], 1, random.random_range(0..4))
            };
            let length = random.random_range(0..64);
            pieces.extend_from_slice(encoder.encode(&header, |bytes| {
                bytes.extend((0..length).map(|_| random.random::<u8>()));
            }));
            for _ in 0..random.random_range(0..3) {
                let place = random.random_range(0..pieces.len());
                pieces[place] = random.random();
            }
            pieces.truncate(random.random_range(0..=pieces.len()));
        } else {
            let length = random.random_range(0..96);
            pieces.extend(
                (0..length).map(
                    |_| {
                        if random.random_bool(0.1) { 0 } else { random.random::<u8>() }
                    },
                ),
            );
        }
        decoder.read(&pieces, |frame| {
            assert!(frame.payload.len() < 4096);
            frames += 1;
        });
        // Every tenth goes through both ends as well.
        if case % 10 == 0 {
            for (device, model) in devices.iter_mut().zip([sum as Model, delayed]) {
                let _ = answers(device, model, &pieces);
            }
            host.receive(Duration::ZERO, &pieces);
        }
    }
    println!("{cases} cases, {frames} whole frames among them, seed {seed}");
    assert!(frames > cases / 400, "the fuzzer must get past the checksum now and then");
}
