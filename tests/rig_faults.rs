//! Faults of real devices that a run survives: a failed measurement, a restarted script, a broken link; and several
//! devices, each of which is left safe whatever happens to the others.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use serde_json::Value;

mod support;

use support::rig::{Device, NEVER_DRIVEN, RECIPE, Way, signal, words};

const TOKEN: &str = "a token of twenty-nine bytes.";

/// The epochs of a run without faults, and how often its device was driven.
fn undisturbed() -> (Vec<Value>, usize) {
    let device = Device::start(Way::Process, 0.0, "");
    let output = device.train(&[]).output().unwrap();
    assert!(output.status.success(), "{}", words(&output));
    (device.epochs(), device.calls())
}

#[test]
fn a_run_that_a_passing_fault_interrupts_can_be_resumed() {
    let (epochs, calls) = undisturbed();
    thread::scope(|scope| {
        // In the first shots, the calibration, the recalibration before the training, and the reference set.
        for call in [2, 8, calls / 2, calls - 2] {
            let epochs = &epochs;
            scope.spawn(move || {
                let device = Device::start(Way::Process, 0.0, &format!("once {call}"));
                let never = ["--set", "devices.lab.rig.retries=0"];
                let output = device.train(&never).output().unwrap();
                let text = words(&output);
                assert_eq!(output.status.code(), Some(1), "call {call}: {text}");
                assert!(text.contains("the shutter is stuck"), "call {call}: {text}");
                assert!(!device.path("run/summary.json").exists(), "call {call}: {text}");
                assert_eq!(device.fault(0.0), None, "call {call}: {text}");
                let advice = "resume with `twinprop train --resume run`";
                assert!(text.contains(advice), "call {call}: {text}");
                let resumed = device.command(&["train", "--resume", "run"]).output().unwrap();
                assert!(resumed.status.success(), "call {call}: {}", words(&resumed));
                assert_eq!(&device.epochs(), epochs, "call {call}");
            });
        }
    });
}

#[test]
fn a_run_survives_the_restart_of_a_devices_script() {
    let (epochs, _) = undisturbed();
    thread::scope(|scope| {
        for token in [None, Some(TOKEN)] {
            let epochs = &epochs;
            scope.spawn(move || {
                let device = Device::supervised("dies once", token);
                let output = device.train(&[]).output().unwrap();
                let text = words(&output);
                assert!(output.status.success(), "{token:?}: {text}");
                assert!(text.contains("the link was lost"), "{token:?}: {text}");
                let link = device.link(0);
                assert_eq!(link["counts"]["restarts"], 1, "{token:?}: {link}");
                assert_eq!(&device.epochs(), epochs, "{token:?}");
                assert_eq!(device.fault(0.0), None, "{token:?}: {text}");
            });
        }
    });
}

/// Returns an address that leads to the device at `target` over links that break: link `i` after `limits[i]` bytes
/// to the device, later links never.
fn breaking(target: &str, limits: &'static [usize]) -> String {
    let device = target.strip_prefix("tcp://").unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for (number, host) in listener.incoming().flatten().enumerate() {
            let limit = limits.get(number).copied().unwrap_or(usize::MAX);
            let Ok(to_device) = TcpStream::connect(&device) else { continue };
            for stream in [&host, &to_device] {
                stream.set_nodelay(true).unwrap();
            }
            let (from_device, to_host) =
                (to_device.try_clone().unwrap(), host.try_clone().unwrap());
            thread::spawn(move || carry(from_device, to_host, usize::MAX));
            thread::spawn(move || carry(host, to_device, limit));
        }
    });
    address
}

/// Copies at most `limit` bytes, then closes both directions.
fn carry(mut from: TcpStream, mut to: TcpStream, mut limit: usize) {
    let mut bytes = [0; 512];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        let count = count.min(limit);
        limit -= count;
        if to.write_all(&bytes[..count]).is_err() || limit == 0 {
            break;
        }
    }
    for stream in [from, to] {
        // The other direction may have closed it.
        let _ = stream.shutdown(Shutdown::Both);
    }
}

#[test]
fn a_broken_link_is_reopened_with_and_without_a_token() {
    let (epochs, _) = undisturbed();
    thread::scope(|scope| {
        for token in [None, Some(TOKEN)] {
            let epochs = &epochs;
            scope.spawn(move || {
                let mut device = Device::supervised("", token);
                // In the middle of a batch; twice in a greeting, which includes the token's proof; later.
                device.target = breaking(&device.target, &[6_000, 40, 130, 9_000]);
                let output = device.train(&[]).output().unwrap();
                let text = words(&output);
                assert!(output.status.success(), "{token:?}: {text}");
                let counts = &device.link(0)["counts"];
                assert!(counts["reconnects"].as_u64() >= Some(4), "{counts}");
                assert_eq!(counts["restarts"], 0, "{counts}");
                assert_eq!(&device.epochs(), epochs, "{token:?}");
                assert_eq!(device.fault(0.0), None, "{token:?}: {text}");
            });
        }
    });
}

#[test]
fn the_other_devices_of_a_farm_are_made_safe_where_one_cannot_be() {
    thread::scope(|scope| {
        for is_ended in [false, true] {
            scope.spawn(move || {
                let good = Device::start(Way::Process, 0.6, "");
                let bad = Device::start(Way::Process, 0.0, "unsafe");
                let other = Device::start(Way::Tcp, 0.6, "");
                let epochs = if is_ended { "100000" } else { "1" };
                let host = good
                    .train(&["--device", &good.target, "--device", &bad.target])
                    .args([
                        "--device",
                        &other.target,
                        "--set",
                        &format!("training.epochs={epochs}"),
                    ])
                    .spawn()
                    .unwrap();
                if is_ended {
                    [&good, &bad, &other].into_iter().for_each(Device::wait_until_driven);
                    signal(&host, "TERM");
                }
                let output = host.wait_with_output().unwrap();
                let text = words(&output);
                assert_eq!(output.status.code(), Some(4), "{text}");
                let driven = text.lines().filter(|line| line.contains("MAY STILL BE DRIVEN"));
                let driven: Vec<&str> = driven.collect();
                assert!(!driven.is_empty(), "{text}");
                for line in driven {
                    assert!(line.contains(&bad.target), "{text}");
                    assert!(line.contains("no answer from the supply"), "{text}");
                }
                assert_eq!((good.fault(0.6), other.fault(0.6)), (None, None), "{text}");
                // A complete run keeps its results all the same.
                assert_eq!(good.path("run/summary.json").exists(), !is_ended, "{text}");
            });
        }
    });
}

/// Starts a training on two devices: in series, or as a farm.
fn train_on_two(one: &Device, other: &Device, is_farm: bool, more: &[&str]) -> std::process::Child {
    let mut command = one.train(more);
    if is_farm {
        command.args(["--device", &one.target, "--device", &other.target]);
    } else {
        let device = format!("[devices.other.rig]\ntarget = \"{}\"\n[calibration]", other.target);
        let stage = "{ physical = { device = \"other\" } }, \"scale\", \"readout\"";
        let recipe = RECIPE.replace("TARGET", &one.target).replace("[calibration]", &device);
        let recipe = recipe.replace("\"readout\"", stage);
        std::fs::write(one.path("recipe.toml"), recipe).unwrap();
    }
    command.spawn().unwrap()
}

#[test]
fn devices_ramp_down_at_the_same_time_and_each_is_waited_for() {
    let ramp = 1.2;
    thread::scope(|scope| {
        for is_farm in [false, true] {
            for ending in ["", "INT", "twice", "fails"] {
                scope.spawn(move || {
                    let case = format!("a farm: {is_farm}, {ending:?}");
                    let mode = if ending == "fails" { "fails" } else { "" };
                    let (one, other) = (
                        Device::start(Way::Process, ramp, mode),
                        Device::start(Way::Tcp, ramp, mode),
                    );
                    let epochs = if ending.is_empty() { 1 } else { 100_000 };
                    let more = format!("training.epochs={epochs}");
                    let never = "devices.lab.rig.retries=0";
                    let host =
                        train_on_two(&one, &other, is_farm, &["--set", &more, "--set", never]);
                    if let "INT" | "twice" = ending {
                        one.wait_until_driven();
                        other.wait_until_driven();
                        signal(&host, "INT");
                        if ending == "twice" {
                            signal(&host, "INT");
                        }
                    }
                    let output = host.wait_with_output().unwrap();
                    let text = words(&output);
                    let expected = match ending {
                        "" => 0,
                        "fails" => 1,
                        _ => 130,
                    };
                    assert_eq!(output.status.code(), Some(expected), "{case}: {text}");
                    let faults = [one.fault(ramp), other.fault(ramp)];
                    // If one fails at its first shot, the other may not have been driven.
                    let is_right = |fault: &Option<String>| match fault.as_deref() {
                        Some(NEVER_DRIVEN) => ending == "fails",
                        fault => fault.is_none(),
                    };
                    assert!(faults.iter().all(is_right), "{case}: {faults:?}: {text}");
                    // A device that fails is safe before it reports the failure.
                    if ending != "fails" {
                        let (first, second) =
                            (one.last_ramp().unwrap(), other.last_ramp().unwrap());
                        let both = first.0.max(second.0) < first.1.min(second.1);
                        assert!(both, "{case}: {first:?} and {second:?}");
                    }
                });
            }
        }
    });
}
