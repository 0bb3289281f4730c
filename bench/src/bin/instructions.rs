//! Instruction counts of the hot paths by valgrind's callgrind: a check against regressions without the noise of
//! times.
//!
//! `cargo run --release -p twinprop-bench --bin instructions` compares with `bench/instructions.json` and fails if a
//! count has grown by more than 5 %; `--write` updates the file instead. Valgrind does not support AVX-512: the counts
//! are of the kernels' AVX2 code, on one thread.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::Parser;
use twinprop::devices::write_whole;
use twinprop_bench::{DevicePlay, Outcome, PAT_STEPS, run};

/// Counts the instructions of the hot paths.
#[derive(Parser)]
struct Arguments {
    /// Write the counts to `bench/instructions.json` instead of comparing with it.
    #[arg(long)]
    write: bool,
    /// Run only this subject, `repetitions` times, for callgrind.
    #[arg(long, hide = true, requires = "repetitions")]
    subject: Option<String>,
    #[arg(long, hide = true)]
    repetitions: Option<u32>,
}

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Largest growth of a count that is no failure.
const TOLERANCE: f64 = 0.05;
/// Instructions that are counted at least, in `FEWEST` to `MOST` repetitions: the start of a process differs from run to
/// run by some thousands of them, which would be 5 % of a short subject.
const COUNTED: u64 = 10_000_000;
const FEWEST: u32 = 2;
const MOST: u32 = 200;
/// Repetitions before those that are counted.
const WARM_UP: u32 = 1;
const SHOTS: usize = 64;

type Work = Box<dyn FnMut() -> Outcome<()>>;

/// The names of all subjects.
fn names() -> Outcome<Vec<String>> {
    let devices = DevicePlay::of_each(SHOTS)?;
    let devices = devices.iter().map(|play| play.name().to_owned());
    Ok(devices.chain(PAT_STEPS.iter().map(|step| step.name.to_owned())).collect())
}

/// The work of the subject `name`.
fn work(name: &str) -> Outcome<Work> {
    if let Some(found) = PAT_STEPS.iter().find(|step| step.name == name) {
        let mut step = (found.step)();
        return Ok(Box::new(move || {
            step.run();
            Ok(())
        }));
    }
    let found = DevicePlay::of_each(SHOTS)?.into_iter().find(|play| play.name() == name);
    let mut play = found.ok_or_else(|| format!("there is no subject `{name}`"))?;
    Ok(Box::new(move || Ok(play.run()?)))
}

/// Instructions of one repetition of `subject`, from the difference of two runs with more and fewer repetitions.
fn count(subject: &str) -> Outcome<u64> {
    let of = |repetitions: u32| -> Outcome<u64> {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(std::env::current_exe()?)
            .args(["--subject", subject, "--repetitions", &repetitions.to_string()])
            .env("RAYON_NUM_THREADS", "1")
            .output()
            .map_err(|error| format!("valgrind: {error}; install it to count instructions"))?;
        let printed = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            return Err(format!("{subject}: {}: {printed}", output.status).into());
        }
        let collected = printed.lines().find_map(|line| line.split_once("Collected : "));
        let counted = collected.and_then(|(_, number)| number.trim().parse().ok());
        counted.ok_or_else(|| format!("{subject}: callgrind did not count: {printed}").into())
    };
    let before = of(WARM_UP)?;
    let mut counted = FEWEST;
    loop {
        let each = of(WARM_UP + counted)?.saturating_sub(before) / u64::from(counted);
        let needed = u32::try_from(COUNTED / each.max(1)).unwrap_or(MOST).min(MOST);
        if needed <= counted {
            return Ok(each);
        }
        counted = needed;
    }
}

fn reference() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.json")
}

fn compare(arguments: &Arguments) -> Outcome<()> {
    let path = reference();
    let before: BTreeMap<String, u64> = if arguments.write {
        BTreeMap::new()
    } else {
        let text = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        serde_json::from_slice(&text).map_err(|error| format!("{}: {error}", path.display()))?
    };
    let mut counts = BTreeMap::new();
    let mut has_grown = false;
    println!("| subject | instructions | before | change |");
    println!("|---|---|---|---|");
    for subject in names()? {
        let now = count(&subject)?;
        let (was, change) = before.get(&subject).map_or_else(Default::default, |&was| {
            let growth = now as f64 / was as f64 - 1.0;
            has_grown |= growth > TOLERANCE;
            (was.to_string(), format!("{:+.2} %", 100.0 * growth))
        });
        println!("| {subject} | {now} | {was} | {change} |");
        counts.insert(subject, now);
    }
    if arguments.write {
        let text = serde_json::to_string_pretty(&counts)? + "\n";
        write_whole(&path, text.as_bytes())
            .map_err(|error| format!("{}: {error}", path.display()))?;
    } else if counts.keys().ne(before.keys()) {
        return Err(
            format!("{} counts other subjects; update it with --write", path.display()).into()
        );
    } else if has_grown {
        return Err(format!(
            "more instructions than {} allows; find out why, or update it with --write and give the reason in the commit",
            path.display()
        )
        .into());
    }
    Ok(())
}

/// Repeats one subject.
fn repeat(subject: &str, repetitions: u32) -> Outcome<()> {
    let mut work = work(subject)?;
    for _ in 0..repetitions {
        work()?;
    }
    Ok(())
}

fn main() -> ExitCode {
    run(|| {
        let arguments = Arguments::parse();
        match (&arguments.subject, arguments.repetitions) {
            (Some(subject), Some(repetitions)) => repeat(subject, repetitions),
            _ => compare(&arguments),
        }
    })
}
