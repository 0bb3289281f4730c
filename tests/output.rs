//! Output that cannot be written is never the end of a run.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs::{self, File, OpenOptions};
use std::io::{Read, pipe};
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

mod support;

use support::{QUICK, program};

/// Commands that make nothing but lines.
const PRINTING: [&[&str]; 6] = [
    &["schema"],
    &["completions", "bash"],
    &["device", "list"],
    &["--help"],
    &["train", "--help"],
    &["--version"],
];

fn full_disk() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

/// A pipe that nobody reads any more.
fn closed_pipe() -> Stdio {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    writer.into()
}

/// A pipe whose reader has read one line and left, as in `… | head -1`.
fn read_one_line(mut command: Command) -> (i32, String) {
    let (mut reader, writer) = pipe().unwrap();
    let mut child = command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    drop(command);
    let mut byte = [0];
    while reader.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {}
    drop(reader);
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    (child.wait().unwrap().code().unwrap(), stderr)
}

#[test]
fn a_closed_pipe_ends_a_printing_command_quietly() {
    for arguments in PRINTING {
        let mut command = program();
        command.args(arguments);
        let (code, stderr) = read_one_line(command);
        assert_eq!((code, stderr.as_str()), (0, ""), "{arguments:?}");
        let output = program().args(arguments).stdout(closed_pipe()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn a_full_disk_under_a_printing_command_is_an_error() {
    for arguments in &PRINTING[..3] {
        let output = program().args(*arguments).stdout(full_disk()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {stderr}");
        assert!(stderr.contains("standard output"), "{stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
    }
}

#[test]
fn an_error_without_standard_error_keeps_its_exit_code() {
    for stderr in [full_disk(), closed_pipe()] {
        let status = program().args(["train", "nowhere.toml"]).stderr(stderr).status().unwrap();
        assert_eq!(status.code(), Some(2));
    }
}

/// Trains with the outputs that `redirect` gives the program; the files must be whole.
fn trains(folder: &Path, out: &str, redirect: impl FnOnce(&mut Command)) {
    let mut command = program();
    command.current_dir(folder).args(["train", "recipe.toml", "--out", out]);
    redirect(&mut command);
    let status = command.status().unwrap();
    assert_eq!(status.code(), Some(0), "{out}");
    for file in ["summary.json", "report.html", "metrics.jsonl"] {
        assert!(folder.join(out).join(file).exists(), "{out} has no {file}");
    }
}

#[test]
fn a_training_needs_no_output() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("recipe.toml"), QUICK).unwrap();
    trains(folder.path(), "full", |command| {
        command.stdout(full_disk()).stderr(full_disk());
    });
    trains(folder.path(), "closed", |command| {
        command.stdout(closed_pipe()).stderr(closed_pipe());
    });
    trains(folder.path(), "null", |command| {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    });
    let told = folder.path().join("told");
    trains(folder.path(), "half", |command| {
        command.stdout(full_disk()).stderr(File::create(&told).unwrap());
    });
    let told = fs::read_to_string(told).unwrap();
    assert!(told.contains("standard output lost lines"), "{told}");
}

/// Starts the program on a terminal, takes the terminal away, and ends with the program's status.
const LOSES_ITS_TERMINAL: &str = r"
import os, pty, subprocess, sys
master, slave = pty.openpty()
child = subprocess.Popen(sys.argv[1:], stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
os.close(slave)
os.read(master, 1)
os.close(master)
sys.exit(child.wait())
";

#[test]
fn a_training_outlives_its_terminal() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("recipe.toml"), QUICK).unwrap();
    for (out, more) in [("lines", None), ("dashboard", Some("--tui"))] {
        let status = Command::new("python3")
            .args(["-c", LOSES_ITS_TERMINAL, support::PROGRAM])
            .args(["train", "recipe.toml", "--out", out])
            .args(more)
            .current_dir(folder.path())
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(0), "{out}");
        assert!(folder.path().join(out).join("report.html").exists(), "{out}");
    }
}
