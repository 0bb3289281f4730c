//! A device is never left driven, and never reported safe when it is not. The devices of these tests keep a log of
//! their own: when they were driven, and when their ramp to the safe state began and ended.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use nalgebra::{DMatrix, DVector};
use twinprop::devices::PhysicalLayer;
use twinprop::devices::rig::{Rig, RigOptions};

mod support;

use support::rig::{Device, Way, signal, words};

#[derive(Clone, Copy, Debug)]
enum Ending {
    Normal,
    Error,
    Signal(&'static str),
    Killed,
}

/// Drives a device that takes `ramp` seconds to its safe state, ends the host by `ending`, and checks the device's log.
fn ends_safely(way: Way, ending: Ending, ramp: f64) {
    let case = format!("{way:?}, {ending:?}, a ramp of {ramp} s");
    let device =
        Device::start(way, ramp, if matches!(ending, Ending::Error) { "fails" } else { "" });
    let seconds = if matches!(ending, Ending::Normal) { "0.5" } else { "60" };
    let host = device.probe(seconds, &[]).spawn().unwrap();
    match ending {
        Ending::Normal | Ending::Error => {}
        Ending::Signal(name) => {
            device.wait_until_driven();
            signal(&host, name);
        }
        Ending::Killed => {
            device.wait_until_driven();
            signal(&host, "KILL");
        }
    }
    let output = host.wait_with_output().unwrap();
    let expected = match ending {
        Ending::Normal => Some(0),
        Ending::Error => Some(1),
        Ending::Signal(_) => Some(130),
        Ending::Killed => None,
    };
    assert_eq!(output.status.code(), expected, "{case}: {}", words(&output));
    if matches!(ending, Ending::Killed) {
        wait_until_safe(&device, ramp);
    }
    // A host that was not killed ends only when the device has confirmed its safe state.
    assert_eq!(device.fault(ramp), None, "{case}: {}", words(&output));
    if matches!(ending, Ending::Error) {
        assert!(words(&output).contains("the camera is gone"), "{case}: {}", words(&output));
    }
}

/// Waits until the device has noticed by itself that its host was killed, and is safe.
fn wait_until_safe(device: &Device, ramp: f64) {
    let end = Instant::now() + Duration::from_secs_f64(ramp + 10.0);
    while device.fault(ramp).is_some() && Instant::now() < end {
        thread::sleep(Duration::from_millis(20));
    }
}

const ENDINGS: [Ending; 6] = [
    Ending::Normal,
    Ending::Error,
    Ending::Signal("INT"),
    Ending::Signal("TERM"),
    Ending::Signal("HUP"),
    Ending::Killed,
];

fn all_endings(way: Way) {
    thread::scope(|scope| {
        for ending in ENDINGS {
            scope.spawn(move || ends_safely(way, ending, 0.8));
        }
    });
}

#[test]
fn a_device_in_a_process_is_left_safe_however_its_host_ends() {
    all_endings(Way::Process);
}

#[test]
fn a_device_behind_a_socket_is_left_safe_however_its_host_ends() {
    all_endings(Way::Tcp);
}

#[test]
fn a_device_on_a_serial_line_is_left_safe_however_its_host_ends() {
    all_endings(Way::Serial);
}

#[test]
fn a_signal_that_is_ignored_at_the_start_stays_ignored() {
    let device = Device::start(Way::Process, 0.0, "");
    let ignored = "signal.signal(signal.SIGHUP, signal.SIG_IGN)";
    let arguments = ["device", "probe", &device.target, "--seconds", "1", "--out", "found"];
    let host = device.command_after(ignored, &arguments).spawn().unwrap();
    device.wait_until_driven();
    signal(&host, "HUP");
    let output = host.wait_with_output().unwrap();
    assert!(output.status.success(), "nohup must keep it running: {}", words(&output));
}

#[test]
fn a_long_ramp_is_completed() {
    thread::scope(|scope| {
        for way in [Way::Process, Way::Tcp, Way::Serial] {
            for ending in [Ending::Normal, Ending::Signal("TERM"), Ending::Killed] {
                scope.spawn(move || ends_safely(way, ending, 5.0));
            }
        }
    });
}

#[test]
fn a_ramp_that_prints_much_is_completed_after_its_host_was_killed() {
    let device = Device::start(Way::Process, 0.3, "talks");
    let mut host = device.probe("60", &[]).spawn().unwrap();
    device.wait_until_driven();
    signal(&host, "KILL");
    host.wait().unwrap();
    wait_until_safe(&device, 0.3);
    assert_eq!(device.fault(0.3), None);
}

#[test]
fn the_safe_state_waits_for_a_measurement_that_outlasts_its_time_limit() {
    thread::scope(|scope| {
        for way in [Way::Process, Way::Tcp] {
            scope.spawn(move || {
                let device = Device::start(way, 0.8, "blocks");
                let host = device.probe("60", &[]).spawn().unwrap();
                device.wait_until_driven();
                signal(&host, "INT");
                let output = host.wait_with_output().unwrap();
                let text = words(&output);
                assert_eq!(output.status.code(), Some(130), "{way:?}: {text}");
                assert_eq!(device.fault(0.8), None, "{way:?}: {text}");
                assert!(text.contains("waiting for its measurement to end"), "{way:?}: {text}");
            });
        }
    });
}

#[test]
fn a_panic_leaves_no_device_driven() {
    thread::scope(|scope| {
        for way in [Way::Process, Way::Tcp, Way::Serial] {
            scope.spawn(move || {
                let device = Device::start(way, 0.8, "");
                let target = device.target.parse().unwrap();
                let panicked = thread::spawn(move || {
                    let mut rig = Rig::open(&target, RigOptions::default()).unwrap();
                    let mut readings = DMatrix::zeros(12, 3);
                    let drives = DMatrix::from_element(9, 3, 0.5);
                    rig.measure(&drives, &DVector::from_element(9, 0.5), &mut readings).unwrap();
                    panic!("a test's own panic, with an open rig");
                });
                assert!(panicked.join().is_err());
                assert_eq!(device.fault(0.8), None, "{way:?}");
            });
        }
    });
}

#[test]
fn a_failed_safe_state_is_an_error_and_never_reported_as_safe() {
    for way in [Way::Process, Way::Tcp] {
        let device = Device::start(way, 0.0, "unsafe");
        for mut command in
            [device.command(&["device", "info", &device.target]), device.probe("0.3", &[])]
        {
            let output = command.output().unwrap();
            let words = words(&output);
            assert_eq!(output.status.code(), Some(4), "{way:?}: {words}");
            assert!(words.contains("THE DEVICE MAY STILL BE DRIVEN"), "{way:?}: {words}");
            assert!(words.contains("no answer from the supply"), "{way:?}: {words}");
            assert!(!words.contains("state        safe"), "{way:?}: {words}");
        }
    }
}

#[test]
fn info_reports_safe_when_the_device_has_confirmed_it() {
    let device = Device::start(Way::Process, 0.3, "");
    let mut command = device.command(&["device", "info", &device.target]);
    // A process asks for no token, so a token that is too short is no error.
    let output = command.env("TWINPROP_TOKEN", "short").output().unwrap();
    assert!(output.status.success(), "{}", words(&output));
    assert!(words(&output).contains("safe, as the device confirmed"), "{}", words(&output));
    let texts: Vec<String> = device.log().into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["safe begins", "safe ends"]);
}

#[test]
fn restarts_are_reported_and_limited_and_the_programs_last_lines_are_shown() {
    let device = Device::start(Way::Process, 0.0, "dies");
    let output = device.probe("5", &[]).output().unwrap();
    let text = words(&output);
    assert_eq!(output.status.code(), Some(4), "the device may still be driven: {text}");
    assert!(text.contains("restarted 3 times without one more shot played"), "{text}");
    assert!(
        text.contains("exit status: 7") && text.contains("driver: \u{fffd} beam lost"),
        "{text}"
    );

    let device = Device::start(Way::Process, 0.0, "dies once");
    let output = device.probe("1", &[]).output().unwrap();
    let text = words(&output);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("it is started again (1 of at most 3 times"), "{text}");
    assert!(text.contains("the device restarted 1 times"), "{text}");
}

#[test]
fn a_measurement_that_fails_now_and_then_is_retried() {
    let device = Device::start(Way::Process, 0.0, "transient");
    let output = device.probe("1", &[]).output().unwrap();
    let text = words(&output);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("frame dropped") && text.contains("were retried"), "{text}");

    let device = Device::start(Way::Process, 0.0, "transient");
    let output = device.probe("1", &["--retries", "0"]).output().unwrap();
    let text = words(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("the measurement failed: RuntimeError: frame dropped"), "{text}");
}

#[test]
fn a_slow_device_and_a_slow_start_are_waited_for() {
    thread::scope(|scope| {
        scope.spawn(|| {
            let device = Device::start(Way::Process, 0.0, "start6");
            let output = device.command(&["device", "info", &device.target]).output().unwrap();
            assert!(output.status.success(), "{}", words(&output));
            assert!(words(&output).contains("waiting for it to answer"), "{}", words(&output));
        });
        for way in [Way::Process, Way::Tcp, Way::Serial] {
            scope.spawn(move || {
                let device = Device::start(way, 0.0, "slow");
                let start = Instant::now();
                let output = device.probe("10", &[]).output().unwrap();
                let seconds = start.elapsed().as_secs_f64();
                assert!(output.status.success(), "{way:?}: {}", words(&output));
                assert!((7.0..14.0).contains(&seconds), "{way:?}: {seconds} s");
                let text = words(&output);
                assert!(text.contains("give it `seconds_per_shot` of 0.2"), "{way:?}: {text}");
                let is_told =
                    |pace: &&str| text.contains(&format!("set `seconds_per_shot` to {pace}"));
                assert!(["0.19", "0.2"].iter().any(is_told), "{way:?}: {text}");
            });
        }
    });
}

#[test]
fn a_complete_run_on_a_device_that_is_not_safe_ends_with_an_error() {
    let device = Device::start(Way::Process, 0.0, "unsafe");
    let output = device.train(&[]).output().unwrap();
    let text = words(&output);
    assert_eq!(output.status.code(), Some(4), "{text}");
    assert!(text.contains("THE DEVICE MAY STILL BE DRIVEN"), "{text}");
    assert!(device.path("run/summary.json").exists(), "{text}");
}

#[test]
fn retries_are_counted_in_the_summary_and_the_report() {
    let device = Device::start(Way::Process, 0.0, "transient");
    let output = device.train(&[]).output().unwrap();
    assert!(output.status.success(), "{}", words(&output));
    let summary = fs::read_to_string(device.path("run/summary.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
    let retried = summary["links"][0]["counts"]["retried"].as_u64().unwrap();
    assert!(retried > 0, "{summary}");
    assert!(words(&output).contains(&format!("{retried} failed measurement")));
    let report = fs::read_to_string(device.path("run/report.html")).unwrap();
    assert!(report.contains("<th>measurements retried</th>"));
}

#[test]
fn one_ctrl_c_ends_a_training_safely_and_a_second_ends_it_at_once() {
    let device = Device::start(Way::Process, 0.8, "");
    let more = ["--set", "training.epochs=100000"];
    let mut host = device.train(&more).stderr(Stdio::null()).spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    while !device.path("run/metrics.jsonl").exists() {
        assert!(Instant::now() < end && host.try_wait().unwrap().is_none(), "it does not train");
        thread::sleep(Duration::from_millis(10));
    }
    signal(&host, "INT");
    assert_eq!(host.wait().unwrap().code(), Some(130));
    assert_eq!(device.fault(0.8), None);

    let device = Device::start(Way::Process, 0.8, "slow");
    let mut host = device.train(&more).stderr(Stdio::null()).spawn().unwrap();
    device.wait_until_driven();
    signal(&host, "INT");
    thread::sleep(Duration::from_millis(200));
    signal(&host, "INT");
    assert_eq!(host.wait().unwrap().code(), Some(130));
    assert_eq!(device.fault(0.8), None);
}
