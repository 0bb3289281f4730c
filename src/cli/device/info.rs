//! `twinprop device info`.

use twinprop::Error;
use twinprop::devices::Channels;
use twinprop::devices::rig::{Encoding, Rig, Target};

/// Says hello and prints what answers.
pub fn run(target: &Target) -> Result<(), Error> {
    let rig = Rig::open(target, Encoding::Floats)?;
    let (greeting, about) = (rig.identity().greeting, &rig.identity().description);
    let interface = &about.interface;
    println!("{} ({}), serial number {}", about.name, interface.device, about.serial_number);
    println!("  firmware     {}", about.firmware);
    let channels = |side: &str, channels: &Channels| println!("  {side:<12} {channels}");
    channels("inputs", &interface.inputs);
    channels("parameters", &interface.parameters);
    channels("outputs", &interface.outputs);
    println!("  a shot       {} s", interface.seconds_per_shot);
    if let Some(rate) = about.largest_shot_rate {
        println!("  at most      {rate} shots a second");
    }
    let watchdog = match greeting.watchdog_milliseconds {
        0 => "none: a host that dies leaves the device as it is".to_owned(),
        time => format!("safe state after {time} ms without a frame"),
    };
    println!("  watchdog     {watchdog}");
    println!(
        "  link         frames of {} bytes, {} frames or {} bytes on the way{}",
        greeting.largest_frame,
        greeting.window_frames,
        greeting.window_bytes,
        if greeting.codes { ", 16-bit codes" } else { "" }
    );
    if let Some(health) = rig.health()? {
        println!(
            "  state        {}, up {:.1} s, {} shots, {} watchdog trips",
            if health.safe { "safe" } else { "driven" },
            f64::from(health.uptime_milliseconds) / 1000.0,
            health.shots,
            health.watchdog_trips
        );
    }
    Ok(())
}
