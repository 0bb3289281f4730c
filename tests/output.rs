//! A run continues where its terminal output cannot be written.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs::{self, File, OpenOptions};
use std::io::{Read, pipe};
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

mod support;

use support::{QUICK, program};

/// Commands that only print.
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

/// A pipe with its reading end closed.
fn closed_pipe() -> Stdio {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    writer.into()
}

/// Runs `command` into a pipe that is closed after one line, as in `… | head -1`; returns exit status and errors.
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
fn an_error_that_cannot_be_printed_keeps_its_exit_status() {
    for stderr in [full_disk(), closed_pipe()] {
        let status = program().args(["train", "nowhere.toml"]).stderr(stderr).status().unwrap();
        assert_eq!(status.code(), Some(2));
    }
}

/// Trains with the outputs that `redirect` sets, and checks that the run's files exist.
fn trains_with(folder: &Path, out: &str, redirect: impl FnOnce(&mut Command)) {
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
    trains_with(folder.path(), "full", |command| {
        command.stdout(full_disk()).stderr(full_disk());
    });
    trains_with(folder.path(), "closed", |command| {
        command.stdout(closed_pipe()).stderr(closed_pipe());
    });
    trains_with(folder.path(), "null", |command| {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    });
    let errors = folder.path().join("errors");
    trains_with(folder.path(), "half", |command| {
        command.stdout(full_disk()).stderr(File::create(&errors).unwrap());
    });
    let errors = fs::read_to_string(errors).unwrap();
    assert!(errors.contains("standard output lost lines"), "{errors}");
}

/// Starts the program on a terminal, closes the terminal, and exits with the program's status.
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
fn a_training_continues_when_its_terminal_is_closed() {
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
