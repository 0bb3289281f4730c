//! Training, by the program, on devices behind the wire protocol.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

mod support;

use support::{PROGRAM, QUICK, metrics, program};

fn laboratory() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("recipe.toml"), QUICK).unwrap();
    folder
}

fn twinprop(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = program();
    command.current_dir(folder).args(arguments);
    command
}

/// Trains into `out` and returns the metrics without their times.
fn train(folder: &Path, out: &str, device: Option<&str>) -> Vec<serde_json::Value> {
    let device: Vec<&str> = device.map_or(vec![], |device| vec!["--device", device]);
    train_with(folder, out, &device)
}

fn train_with(folder: &Path, out: &str, more: &[&str]) -> Vec<serde_json::Value> {
    let arguments = [&["train", "recipe.toml", "--out", out], more].concat();
    let output = twinprop(folder, &arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    metrics(&folder.join(out))
}

fn summary(folder: &Path, out: &str) -> serde_json::Value {
    let text = fs::read_to_string(folder.join(out).join("summary.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Waits until the run in `out` has ended `epochs` epochs.
fn wait_for_epochs(folder: &Path, out: &str, epochs: usize) {
    let end = Instant::now() + Duration::from_secs(60);
    let metrics = folder.join(out).join("metrics.jsonl");
    while fs::read_to_string(&metrics).unwrap_or_default().lines().count() < epochs {
        assert!(Instant::now() < end, "the trainer does not train");
        thread::sleep(Duration::from_millis(5));
    }
}

/// An emulator on a free port, and the lines that it prints.
struct Emulator {
    child: Child,
    port: u16,
    lines: Receiver<String>,
}

impl Emulator {
    fn start(folder: &Path, more: &[&str]) -> Self {
        let arguments =
            [&["device", "serve", "recipe.toml", "--tcp", "127.0.0.1:0"], more].concat();
        let mut child = twinprop(folder, &arguments).stderr(Stdio::piped()).spawn().unwrap();
        let errors = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let first = lines.recv_timeout(Duration::from_secs(30)).unwrap();
        let port = first.rsplit_once(':').unwrap().1.parse().unwrap();
        Self { child, port, lines }
    }

    fn target(&self) -> String {
        format!("tcp://127.0.0.1:{}", self.port)
    }

    /// Waits for a line that contains `part`; returns whether it came within `limit`.
    fn prints(&self, part: &str, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        while let Ok(line) = self.lines.recv_timeout(end.saturating_duration_since(Instant::now()))
        {
            if line.contains(part) {
                return true;
            }
        }
        false
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn a_device_behind_the_protocol_gives_the_same_bits_as_one_in_the_program() {
    let folder = laboratory();
    let here = train(folder.path(), "here", None);
    let process = format!("process:'{PROGRAM}' device serve recipe.toml --stdio");
    assert_eq!(here, train(folder.path(), "process", Some(&process)));
    let emulator = Emulator::start(folder.path(), &[]);
    assert_eq!(here, train(folder.path(), "tcp", Some(&emulator.target())));
    let summary = summary(folder.path(), "tcp");
    assert!(summary["links"][0]["counts"]["frames_sent"].as_u64() > Some(350), "{summary}");
}

#[test]
fn a_bad_link_changes_no_bit() {
    let folder = laboratory();
    // Each lost frame costs a timeout: some hundred frames are enough.
    let few = ["--set", "training.epochs=1", "--set", "calibration.shots=100"];
    let few = [&few[..], &["--set", "calibration.fidelity.points=16"]].concat();
    let here = train_with(folder.path(), "here", &few);
    let faults =
        ["--flip", "1e-4", "--duplicate", "0.01", "--reorder", "0.01", "--garbage", "0.01"];
    let emulator = Emulator::start(folder.path(), &faults);
    let target = emulator.target();
    let device = [&few[..], &["--device", &target]].concat();
    assert_eq!(here, train_with(folder.path(), "tcp", &device));
    let summary = summary(folder.path(), "tcp");
    let counts = &summary["links"][0]["counts"];
    assert!(counts["frames_repeated"].as_u64() > Some(0), "{counts}");
}

/// Passes bytes between a host and the device at `port`, and keeps the device's side open when the host is gone, as a
/// serial line does. Returns the port to connect to.
fn line_to(port: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (host, _) = listener.accept().unwrap();
        let device = TcpStream::connect(("127.0.0.1", port)).unwrap();
        for stream in [&host, &device] {
            stream.set_nodelay(true).unwrap();
        }
        let (from_device, to_host) = (device.try_clone().unwrap(), host.try_clone().unwrap());
        thread::spawn(move || pass(from_device, to_host));
        pass(host, device.try_clone().unwrap());
        thread::sleep(Duration::from_secs(60));
        drop(device);
    });
    here
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if to.write_all(&bytes[..count]).is_err() {
            return;
        }
    }
}

#[test]
fn the_watchdog_makes_the_device_safe_after_the_trainer_was_killed() {
    let folder = laboratory();
    let emulator = Emulator::start(folder.path(), &["--watchdog", "400"]);
    let target = format!("tcp://127.0.0.1:{}", line_to(emulator.port));
    let mut trainer =
        twinprop(folder.path(), &["train", "recipe.toml", "--out", "killed", "--device", &target])
            .args(["--set", "training.epochs=100000"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
    wait_for_epochs(folder.path(), "killed", 1);
    let calm = !emulator.prints("safe state", Duration::from_millis(600));
    assert!(calm, "the watchdog must not trip while the device is driven");
    trainer.kill().unwrap();
    trainer.wait().unwrap();
    let killed = Instant::now();
    assert!(emulator.prints("watchdog: safe state", Duration::from_secs(5)), "no safe state");
    // Twice the watchdog's interval, as the machine may be busy.
    assert!(killed.elapsed() < Duration::from_millis(800), "{:?}", killed.elapsed());
}

#[test]
fn a_recorded_run_replays_bit_for_bit_and_other_shots_are_refused() {
    let folder = laboratory();
    let recorded = train_with(folder.path(), "recorded", &["--record", "shots"]);
    assert_eq!(recorded, train(folder.path(), "replayed", Some("replay:shots/shg")));
    let longer = ["train", "recipe.toml", "--device", "replay:shots/shg", "--seed", "4"];
    let output = twinprop(folder.path(), &longer).output().unwrap();
    assert!(!output.status.success());
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("not among the") && message.contains("never recorded"), "{message}");
}

#[test]
fn a_farm_completes_its_run_without_one_of_its_rigs() {
    let folder = laboratory();
    let (one, other) = (Emulator::start(folder.path(), &[]), Emulator::start(folder.path(), &[]));
    let mut trainer = twinprop(folder.path(), &["train", "recipe.toml", "--out", "farm"])
        .args(["--device", &one.target(), "--device", &other.target()])
        .args(["--set", "training.epochs=12"])
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_for_epochs(folder.path(), "farm", 1);
    let gone = one.target();
    drop(one);
    // The run is complete, but the lost rig may still be driven.
    assert_eq!(trainer.wait().unwrap().code(), Some(4));
    let summary = summary(folder.path(), "farm");
    let links = summary["links"].as_array().unwrap();
    for link in links {
        let dropped = link["target"] == gone.as_str();
        assert_eq!(dropped, link["failure"].is_string(), "{link}");
        assert!(link["shots"].as_u64() > Some(0), "{link}");
    }
    let measured: u64 = links.iter().map(|link| link["shots"].as_u64().unwrap()).sum();
    assert_eq!(Some(measured), summary["device_shots"].as_u64());
    let report = fs::read_to_string(folder.path().join("farm/report.html")).unwrap();
    assert!(report.contains("<h2>Rigs</h2>") && report.contains("could not be opened again"));
}

#[test]
fn a_wrong_or_missing_device_is_reported_before_anything_is_driven() {
    let folder = laboratory();
    let refused = |arguments: &[&str]| {
        let arguments = [&["train", "recipe.toml", "--out", "run"], arguments].concat();
        let output = twinprop(folder.path(), &arguments).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let emulator = Emulator::start(folder.path(), &[]);
    let other = "devices.shg.model.second_harmonic.outputs=13";
    let message = refused(&["--set", other, "--device", &emulator.target()]);
    assert!(
        message.contains("it has 12 outputs, but the recipe's model has 13 outputs"),
        "{message}"
    );
    let message = refused(&["--device", "tcp://127.0.0.1:1"]);
    assert!(message.contains("is the device's program running?"), "{message}");
    let message = refused(&["--device", "/dev/ttyACM0"]);
    assert!(message.contains("serial://PORT"), "{message}");
    let message = refused(&["--rule", "ideal", "--device", &emulator.target()]);
    assert!(message.contains("is a real device"), "{message}");
    assert!(!folder.path().join("run").exists(), "a refused run leaves no folder");
}

#[test]
fn a_probe_writes_its_findings_and_does_not_overwrite_others() {
    let laboratory = laboratory();
    let target = format!("process:{PROGRAM} device serve recipe.toml --stdio");
    let arguments = ["device", "probe", &target, "--seconds", "2", "--out", "found"];
    let output = twinprop(laboratory.path(), &arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = fs::read_to_string(laboratory.path().join("found/probe.json")).unwrap();
    let found: serde_json::Value = serde_json::from_str(&text).unwrap();
    let channels = |side: &str| {
        let sweeps = found["linearity"]["sweeps"].as_array().unwrap();
        sweeps.iter().filter(|sweep| sweep["side"] == side).count()
    };
    assert_eq!((channels("input"), channels("parameter")), (9, 9));
    // The recipe has noise of one percent of the range, on the drives and on the readings.
    for (noise, bank) in found["repeatability"]["noise"].as_array().unwrap().iter().zip(0..) {
        let range = found["interface"]["outputs"][0]["maximum"].as_f64().unwrap();
        let share = noise.as_f64().unwrap() / range;
        assert!((0.008..0.05).contains(&share), "output {bank}: {share}");
    }
    let report = fs::read_to_string(laboratory.path().join("found/probe.html")).unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("shots a second") && report.contains("</html>"), "{said}");

    let again = twinprop(laboratory.path(), &arguments).output().unwrap();
    assert_eq!(again.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&again.stderr).contains("holds a run already"));
}

#[test]
fn a_run_can_be_resumed_after_its_device_died() {
    let folder = laboratory();
    let path = folder.path();
    let emulator = Emulator::start(path, &[]);
    let target = emulator.target();
    let arguments = [
        "train",
        "recipe.toml",
        "--out",
        "run",
        "--set",
        "training.epochs=40",
        "--device",
        &target,
    ];
    let trainer =
        twinprop(path, &arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for_epochs(path, "run", 2);
    drop(emulator);
    let output = trainer.wait_with_output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{message}");
    assert!(message.contains("THE DEVICE MAY STILL BE DRIVEN"), "{message}");
    assert!(message.contains("twinprop train --resume run"), "{message}");
    assert!(!path.join("run/summary.json").exists());
    let lines = || fs::read_to_string(path.join("run/metrics.jsonl")).unwrap().lines().count();
    let before = lines();
    assert!((2..40).contains(&before), "{before}");

    let emulator = Emulator::start(path, &[]);
    let arguments = ["train", "--resume", "run", "--device", &emulator.target()];
    let output = twinprop(path, &arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(lines(), 40);
    assert_eq!(summary(path, "run")["epochs"], 40);
}
