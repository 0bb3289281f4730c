//! `twinprop device info`.

use twinprop::Error;
use twinprop::devices::recording::Replay;
use twinprop::devices::rig::{Encoding, Rig, Target};
use twinprop::devices::{Channels, Interface, PhysicalLayer};
use twinprop::outln;

/// Says hello and prints what answers.
pub fn run(target: &Target) -> Result<(), Error> {
    if let Some(folder) = target.recording() {
        let replay = Replay::open(folder)?;
        outln!("a recording of {} shots of `{}`", replay.len(), replay.interface().device);
        print_interface(replay.interface());
        return Ok(());
    }
    let rig = Rig::open(target, Encoding::Floats)?;
    let (greeting, about) = (rig.identity().greeting, &rig.identity().description);
    let kind = &about.interface.device;
    outln!("{} ({kind}), serial number {}", about.name, about.serial_number);
    outln!("  firmware     {}", about.firmware);
    print_interface(&about.interface);
    if let Some(rate) = about.largest_shot_rate {
        outln!("  at most      {rate} shots a second");
    }
    let watchdog = match greeting.watchdog_milliseconds {
        0 => "none: a host that dies leaves the device as it is".to_owned(),
        time => format!("safe state after {time} ms without a frame"),
    };
    outln!("  watchdog     {watchdog}");
    outln!(
        "  link         frames of {} bytes, {} frames or {} bytes on the way{}",
        greeting.largest_frame,
        greeting.window_frames,
        greeting.window_bytes,
        if greeting.codes { ", 16-bit codes" } else { "" }
    );
    if let Some(health) = rig.health()? {
        outln!(
            "  state        {}, up {:.1} s, {} shots, {} watchdog trips",
            if health.safe { "safe" } else { "driven" },
            f64::from(health.uptime_milliseconds) / 1000.0,
            health.shots,
            health.watchdog_trips
        );
    }
    Ok(())
}

fn print_interface(interface: &Interface) {
    let channels = |side: &str, channels: &Channels| outln!("  {side:<12} {channels}");
    channels("inputs", &interface.inputs);
    channels("parameters", &interface.parameters);
    channels("outputs", &interface.outputs);
    outln!("  a shot       {} s", interface.seconds_per_shot);
}
