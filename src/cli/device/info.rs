//! `twinprop device info`.

use crate::Error;
use crate::counted::counted;
use crate::devices::recording::Replay;
use crate::devices::rig::{Description, Rig, RigOptions, Target};
use crate::devices::{Channels, Interface, PhysicalLayer};
use crate::outln;

/// Prints the device's or recording's description; a device is then sent to its safe state.
pub fn run(target: &Target) -> Result<(), Error> {
    if let Some(folder) = target.recording() {
        let replay = Replay::open(folder)?;
        let shots = counted(replay.len(), "shot");
        outln!("a recording of {shots} of `{}`", replay.interface().device);
        print_interface(replay.interface());
        return Ok(());
    }
    crate::cli::ending::make_safe_on_interrupt()?;
    let rig = Rig::open(target, RigOptions::default())?;
    let found = rig.health()?;
    let safe = rig.make_safe();
    let (greeting, about) = (rig.identity().greeting, &rig.identity().description);
    let kind = &about.interface.device;
    outln!("{} ({kind}), serial number {}", about.name, about.serial_number);
    outln!("  firmware     {}", about.firmware);
    print_interface(&about.interface);
    if let Some(rate) = about.largest_shot_rate {
        outln!("  at most      {rate} shots a second");
    }
    let watchdog = match greeting.watchdog_milliseconds {
        0 => "none: the device stays driven if its host dies".to_owned(),
        time => format!("safe state after {time} ms without a frame"),
    };
    outln!("  watchdog     {watchdog}");
    outln!(
        "  link         frames of {} bytes, {} frames or {} bytes in flight{}",
        greeting.largest_frame,
        greeting.window_frames,
        greeting.window_bytes,
        match (greeting.spikes, greeting.codes) {
            (true, _) => ", rasters in bits",
            (false, true) => ", 16-bit codes",
            (false, false) => "",
        }
    );
    outln!(
        "  safe state   within {} s of the request",
        about.safe_seconds.unwrap_or(Description::SAFE_SECONDS)
    );
    if let Some(health) = found {
        outln!(
            "  found        {}, up {:.1} s, {}, {}",
            if health.safe { "in its safe state" } else { "not known to be in its safe state" },
            f64::from(health.uptime_milliseconds) / 1000.0,
            counted(health.shots, "shot"),
            counted(health.watchdog_trips, "watchdog trip")
        );
    }
    if safe.is_ok() {
        outln!("  state        safe, as the device confirmed");
    } else {
        outln!("  state        NOT SAFE: it may be driven");
    }
    Ok(safe?)
}

fn print_interface(interface: &Interface) {
    let channels = |side: &str, channels: &Channels| outln!("  {side:<12} {channels}");
    channels("inputs", &interface.inputs);
    channels("parameters", &interface.parameters);
    channels("outputs", &interface.outputs);
    outln!(
        "  a shot       {} s, as declared (seconds_per_shot); `twinprop device probe` measures it",
        interface.seconds_per_shot
    );
}
