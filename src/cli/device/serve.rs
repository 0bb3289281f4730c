//! `twinprop device serve`: any simulated device as a rig.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::Error;
use crate::data::Locator;
use crate::devices::rig::listener::require_token;
use crate::devices::rig::transport::{Serial, SerialConfig};
use crate::devices::rig::{
    Capacity, Emulator, EmulatorConfig, EmulatorEvent, FaultsConfig, Listener, Stdio, Token,
    Transport,
};
use crate::errln;
use crate::experiment::Recipe;

/// Arguments of `device serve`.
#[derive(Args)]
pub struct Serve {
    /// Recipe with the device to serve, a TOML file.
    recipe: PathBuf,
    /// Name of the device, where the recipe has several.
    #[arg(long)]
    name: Option<String>,
    /// Seed of the device's fabrication and noise, instead of the recipe's.
    #[arg(long)]
    seed: Option<u64>,
    #[command(flatten)]
    link: Link,
    /// Make each shot take the time that the device declares.
    #[arg(long)]
    real_time: bool,
    /// Milliseconds without a frame after which the device goes to its safe state; 0 for never.
    #[arg(long, default_value_t = 2000)]
    watchdog: u64,
    /// Largest frame, in bytes.
    #[arg(long, default_value_t = 16_384)]
    frame: usize,
    #[command(flatten)]
    faults: FaultArguments,
}

/// One way to reach the device.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct Link {
    /// Serve on standard input and output, as a child process.
    #[arg(long)]
    stdio: bool,
    /// Listen on this address, such as 127.0.0.1:7777; port 0 takes a free port and prints it. Other machines need
    /// the token in TWINPROP_TOKEN.
    #[arg(long, value_name = "ADDRESS")]
    tcp: Option<SocketAddr>,
    /// Serve on a serial port.
    #[arg(long, value_name = "PORT")]
    serial: Option<String>,
}

/// Faults of the link to inject, each with a probability from 0 to 1.
#[derive(Args)]
struct FaultArguments {
    /// Probability that a byte to the host is changed.
    #[arg(long, default_value_t = 0.0)]
    flip: f64,
    /// Probability that a byte is lost.
    #[arg(long, default_value_t = 0.0)]
    drop: f64,
    /// Probability that a frame is sent twice.
    #[arg(long, default_value_t = 0.0)]
    duplicate: f64,
    /// Probability that a frame is sent after the next one.
    #[arg(long, default_value_t = 0.0)]
    reorder: f64,
    /// Probability that a frame lacks its end.
    #[arg(long, default_value_t = 0.0)]
    truncate: f64,
    /// Probability that garbage is sent before a frame.
    #[arg(long, default_value_t = 0.0)]
    garbage: f64,
    /// Seed of the faults.
    #[arg(long, default_value_t = 0)]
    fault_seed: u64,
}

impl FaultArguments {
    fn config(&self) -> Result<FaultsConfig, Error> {
        let &Self { flip, drop, duplicate, reorder, truncate, garbage, .. } = self;
        for (name, value) in [
            ("flip", flip),
            ("drop", drop),
            ("duplicate", duplicate),
            ("reorder", reorder),
            ("truncate", truncate),
            ("garbage", garbage),
        ] {
            if !(0.0..=1.0).contains(&value) {
                return Err(Error::Usage(format!(
                    "--{name} {value}: give a probability from 0 to 1"
                )));
            }
        }
        Ok(FaultsConfig { flip, drop, duplicate, reorder, truncate, garbage })
    }
}

/// Watchdog intervals of silence after which a host is considered gone; a host pings three times in each.
const SILENT_WATCHDOGS: u32 = 5;
/// Smallest frame that holds a description or a shot, in bytes.
const SMALLEST_FRAME: usize = 64;

/// Serves until the link, or the program, ends.
pub fn run(command: &Serve) -> Result<(), Error> {
    if !(SMALLEST_FRAME..=1 << 16).contains(&command.frame) {
        return Err(Error::Usage(format!(
            "--frame {}: a frame has {SMALLEST_FRAME} to 65536 bytes",
            command.frame
        )));
    }
    let mut emulator = emulator(command)?;
    if command.link.stdio {
        return serve(&mut emulator, &mut Stdio::take(), "standard input and output");
    }
    if let Some(address) = command.link.tcp {
        return listen(&mut emulator, address, Duration::from_millis(command.watchdog));
    }
    let path = command.link.serial.clone().unwrap_or_default();
    let config =
        SerialConfig { path: Some(path.clone()), usb: None, usb_serial: None, baud: 115_200 };
    let mut port = Serial::new(config);
    port.open().map_err(Error::Usage)?;
    errln!("serving on {path}");
    serve(&mut emulator, &mut port, &path)
}

/// Returns an emulator of the recipe's device.
fn emulator(command: &Serve) -> Result<Emulator, Error> {
    let mut recipe = Recipe::read(&command.recipe, &[])?;
    recipe.seed = command.seed.unwrap_or(recipe.seed);
    let names: Vec<&str> = recipe.devices.keys().map(String::as_str).collect();
    let place = match &command.name {
        Some(name) => names.iter().position(|known| known == name),
        None if names.len() == 1 => Some(0),
        None => None,
    };
    let place = place.ok_or_else(|| {
        Error::Usage(format!("name one of the recipe's devices by --name: {}", names.join(", ")))
    })?;
    let name = names[place];
    let mut entry = recipe.devices[name].clone();
    let folder = command.recipe.parent().unwrap_or(Path::new("."));
    entry.make_absolute(&Locator::new(folder, None))?;
    let config = entry.simulated().ok_or_else(|| {
        Error::Usage(format!("`{name}` has no model in the recipe; name a simulated device"))
    })?;
    let device = config.fabricate(recipe.device_seed_of(place))?.device;
    let capacity = Capacity {
        largest_frame: command.frame,
        window_bytes: 3 * command.frame,
        watchdog: Duration::from_millis(command.watchdog),
        ..Capacity::default()
    };
    let config = EmulatorConfig {
        capacity,
        faults: command.faults.config()?,
        real_time: command.real_time,
        seed: command.faults.fault_seed,
    };
    Ok(Emulator::new(device, name, config))
}

/// Serves one host after another; beyond loopback only hosts that know the token.
fn listen(emulator: &mut Emulator, address: SocketAddr, watchdog: Duration) -> Result<(), Error> {
    let token = Token::from_environment().map_err(Error::Usage)?;
    require_token(address, token.as_ref(), "drive the device").map_err(Error::Usage)?;
    let name = address.to_string();
    let wrong = || Error::file(Path::new(&name), "listen on a free address of this machine");
    let listener = Listener::bind(address, token, |refused| errln!("{refused}")).map_err(wrong())?;
    let bound = listener.address();
    errln!("serving on tcp://{bound}");
    loop {
        let mut host = listener.accept(SILENT_WATCHDOGS * watchdog).map_err(wrong())?;
        serve(emulator, &mut host, &format!("tcp://{bound}"))?;
    }
}

fn serve(emulator: &mut Emulator, link: &mut dyn Transport, name: &str) -> Result<(), Error> {
    let print = |event| match event {
        EmulatorEvent::WatchdogTripped => errln!("watchdog: safe state"),
        EmulatorEvent::MadeSafe => errln!("request of the host: safe state"),
        EmulatorEvent::LinkEnded => errln!("link ended: safe state"),
    };
    emulator
        .serve(link, print)
        .map_err(Error::file(Path::new(name), "check the link, then start again"))
}
