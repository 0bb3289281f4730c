//! `twinprop device probe`.

use std::path::PathBuf;

use clap::Args;

use crate::Error;
use crate::cli::CommandObserver;
use crate::devices::probe::{Probe as Findings, ProbeConfig};
use crate::devices::rig::{Rig, RigOptions, Target};
use crate::devices::{Boundary, SlewLimit};
use crate::experiment::RunFolder;
use crate::outln;
use crate::report::ProbeReport;
use crate::training::Task;

/// Arguments of `device probe`.
#[derive(Args)]
pub struct Probe {
    /// The device, such as serial:///dev/ttyACM0, tcp://127.0.0.1:7777 or 'process:python3 rig.py'.
    target: Target,
    /// Seconds that the probe may take; a longer probe sweeps more channels.
    #[arg(long, default_value_t = ProbeConfig::default().seconds)]
    seconds: f64,
    /// Maximum number of retries in a row of a measurement that failed on the device; 0 for none.
    #[arg(long, default_value_t = RigOptions::default().retries)]
    retries: u32,
    /// Seed of the drives.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Folder for probe.json and probe.html; by default the next free one under runs/.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Drives the device over its ranges, and writes and prints the findings.
pub fn run(command: &Probe) -> Result<(), Error> {
    if !(command.seconds > 0.0 && command.seconds.is_finite()) {
        return Err(Error::Usage(format!(
            "--seconds {}: give a number above zero",
            command.seconds
        )));
    }
    if command.target.recording().is_some() {
        return Err(Error::Usage(format!(
            "{}: a recording answers only the shots that it holds; probe a device",
            command.target
        )));
    }
    let mut observer = CommandObserver::ending_on_interrupt()?;
    let options = RigOptions { retries: command.retries, ..RigOptions::default() };
    let rig = Rig::open(&command.target, options)?;
    let link = rig.monitor();
    let title = rig.identity().description.name.clone();
    let mut advice: Vec<String> = command.target.latency_advice().into_iter().collect();
    let folder =
        RunFolder::create(command.out.as_deref(), &format!("probe-{title}"), &mut observer)?;
    let mut device = Boundary::new(Box::new(SlewLimit::new(rig)));
    let config = ProbeConfig { seconds: command.seconds, seed: command.seed };
    let mut task = Task::in_shares(&mut observer, &format!("probe {title}"))?;
    let findings = Findings::run(&mut device, &config, |stage, share| {
        let _ = task.advance_to_share(share, stage);
    })?;
    task.end(&format!("{} shots", findings.shots))?;
    let counts = link.counts();
    if counts.retried + counts.restarts > 0 {
        advice.push(format!(
            "{} measurements failed and were retried; the device restarted {} times.",
            counts.retried, counts.restarts
        ));
    }
    // The device is made safe before the report is written; a failure is returned after it.
    let safe = link.make_safe();
    let report = ProbeReport { title: &title, probe: &findings, advice: &advice };
    folder.write_json(RunFolder::PROBE, &findings)?;
    folder.write(RunFolder::PROBE_REPORT, &report.to_html())?;
    for finding in report.findings() {
        outln!("{finding}");
    }
    outln!("{}", folder.path().join(RunFolder::PROBE_REPORT).display());
    Ok(safe?)
}
