//! Devices that log when they were driven, and when their ramps to the safe state began and ended. They are scripts
//! that the program starts, or that serve on a socket or a serial line.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Nine drives, nine parameters, twelve readings. Arguments: its log, the seconds of its ramp, a mode.
const SCRIPT: &str = include_str!("rig.py");
/// The environment variable of the token; tests set or remove it.
const TOKEN: &str = "TWINPROP_TOKEN";
/// Trains on the device `lab` at TARGET in a second or two.
pub const RECIPE: &str = r#"
seed = 3
network = ["encode", "scale", { physical = { device = "lab", shots = 1 } }, "scale", "readout"]

[data]
source = "vowels"

[devices.lab.rig]
target = "TARGET"

[calibration]
require = "none"
shots = 60
test_shots = 20
twin = { neural = { width = 8, depth = 1 } }
fit = { epochs = 1 }

[training]
epochs = 1

[accounting]
digital_peer = false
"#;

/// How the program reaches a device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Way {
    /// The program starts the device's script.
    Process,
    /// The script serves on a socket.
    Tcp,
    /// The script serves on a serial line.
    Serial,
}

/// The fault in the log of a device that played no shot.
pub const NEVER_DRIVEN: &str = "it was never driven";

/// A device and its log.
pub struct Device {
    folder: TempDir,
    /// Its target for `--device`.
    pub target: String,
    token: Option<String>,
    /// The device's process, unless the program starts it; it leads a process group.
    server: Option<Child>,
}

impl Device {
    /// A device that ramps for `ramp` seconds and fails as `mode` says.
    pub fn start(way: Way, ramp: f64, mode: &str) -> Self {
        if way == Way::Process {
            let folder = laboratory();
            let target = format!("process:{}", command_line(folder.path(), ramp, mode));
            return Self { folder, target, token: None, server: None };
        }
        let serves = if way == Way::Tcp { "--tcp 127.0.0.1:0" } else { "--pty" };
        Self::serving(|script| format!("exec {script} {serves}"), ramp, mode, None)
    }

    /// A device on a socket, with a supervisor that restarts its script whenever it ends and an optional `token`.
    pub fn supervised(mode: &str, token: Option<&str>) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let shell = |script: String| {
            format!("while :; do {script} --tcp 127.0.0.1:{port}; sleep 0.1; done")
        };
        Self::serving(shell, 0.0, mode, token)
    }

    fn serving(
        shell: impl Fn(String) -> String,
        ramp: f64,
        mode: &str,
        token: Option<&str>,
    ) -> Self {
        let folder = laboratory();
        let script = command_line(folder.path(), ramp, mode);
        let mut command = Command::new("sh");
        command.args(["-c", &shell(script)]).process_group(0);
        command.stderr(Stdio::piped()).env_remove(TOKEN).envs(token.map(|token| (TOKEN, token)));
        let mut server = command.spawn().unwrap();
        let mut stderr = BufReader::new(server.stderr.take().unwrap());
        let target = loop {
            let mut line = String::new();
            stderr.read_line(&mut line).unwrap();
            if let Some(place) = line.find("tcp://").or_else(|| line.find("serial://")) {
                break line[place..].trim().to_owned();
            }
        };
        // Some of its output is not text, and its output must stay open.
        thread::spawn(move || io::copy(&mut stderr, &mut io::sink()));
        Self { folder, target, token: token.map(str::to_owned), server: Some(server) }
    }

    /// The file `name` in its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Times and texts of the log.
    pub fn log(&self) -> Vec<(f64, String)> {
        let text = fs::read_to_string(self.path("log")).unwrap();
        let entry = |line: &str| {
            let (time, text) = line.split_once(' ').unwrap();
            (time.parse().unwrap(), text.to_owned())
        };
        text.lines().map(entry).collect()
    }

    /// How often it was driven.
    pub fn calls(&self) -> usize {
        self.log().iter().filter(|(_, text)| text == "driven").count()
    }

    /// Waits until it is driven.
    pub fn wait_until_driven(&self) {
        let end = Instant::now() + Duration::from_secs(60);
        while self.calls() == 0 {
            assert!(Instant::now() < end, "{}: it is not driven", self.target);
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// When its ramp to the safe state after the last shot began and ended.
    pub fn last_ramp(&self) -> Result<(f64, f64), String> {
        let log = self.log();
        let last = log.iter().rposition(|(_, text)| text == "driven").ok_or("it is not driven")?;
        match &log[last + 1..] {
            [(begin, one), (end, other)] if one == "safe begins" && other == "safe ends" => {
                Ok((*begin, *end))
            }
            rest => Err(format!("after the last shot: {rest:?}")),
        }
    }

    /// The fault at the end of the log; `None` for one whole ramp of `ramp` seconds.
    pub fn fault(&self, ramp: f64) -> Option<String> {
        if self.calls() == 0 {
            return Some(NEVER_DRIVEN.to_owned());
        }
        match self.last_ramp() {
            Ok((begin, end)) if end - begin < ramp - 0.01 => {
                Some(format!("a ramp of {} s", end - begin))
            }
            Ok(_) => None,
            Err(problem) => Some(problem),
        }
    }

    /// The program with these arguments, in the device's folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let default_signals =
            "[signal.signal(one, signal.SIG_DFL) for one in (signal.SIGINT, signal.SIGHUP)]";
        self.command_after(default_signals, arguments)
    }

    /// The program, started after a line of Python. Tests in the background of a shell or by `nohup` start with Ctrl-C
    /// or SIGHUP ignored, and so do their children.
    pub fn command_after(&self, line: &str, arguments: &[&str]) -> Command {
        let start = format!("import os, signal, sys; {line}; os.execv(sys.argv[1], sys.argv[1:])");
        let mut command = Command::new("python3");
        command.args(["-c", &start, super::PROGRAM]).args(arguments);
        command.current_dir(self.folder.path()).process_group(0);
        command.env_remove(TOKEN).envs(self.token.as_ref().map(|token| (TOKEN, token)));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// A probe of `seconds`.
    pub fn probe(&self, seconds: &str, more: &[&str]) -> Command {
        let probe = ["device", "probe", &self.target, "--seconds", seconds, "--out", "found"];
        let mut command = self.command(&probe);
        command.args(more);
        command
    }

    /// A training by [`RECIPE`] into the folder `run`.
    pub fn train(&self, more: &[&str]) -> Command {
        fs::write(self.path("recipe.toml"), RECIPE.replace("TARGET", &self.target)).unwrap();
        let mut command = self.command(&["train", "recipe.toml", "--out", "run"]);
        command.args(more);
        command
    }

    /// The epochs of the run in the folder `run`, without the values that depend on breaks.
    pub fn epochs(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path("run/metrics.jsonl")).unwrap();
        let epoch = |line| {
            let mut value: Value = serde_json::from_str(line).unwrap();
            for name in ["seconds", "device_shots", "clamped"] {
                value.as_object_mut().unwrap().remove(name);
            }
            value
        };
        text.lines().map(epoch).collect()
    }

    /// Link `number` in the summary of the run.
    pub fn link(&self, number: usize) -> Value {
        let summary = fs::read_to_string(self.path("run/summary.json")).unwrap();
        let summary: Value = serde_json::from_str(&summary).unwrap();
        summary["links"][number].clone()
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            // Its group may have ended by itself.
            let _ = send(server, "KILL");
            let _ = server.wait();
        }
    }
}

/// A folder with the script, its module and its empty log.
fn laboratory() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("lab.py"), SCRIPT).unwrap();
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/twinprop_rig.py");
    fs::copy(python, folder.path().join("twinprop_rig.py")).unwrap();
    fs::write(folder.path().join("log"), "").unwrap();
    folder
}

/// The command line that starts the script in `folder`.
fn command_line(folder: &Path, ramp: f64, mode: &str) -> String {
    let path = |name: &str| folder.join(name).display().to_string();
    format!("python3 '{}' '{}' {ramp} '{mode}'", path("lab.py"), path("log"))
}

/// The output of a command.
pub fn words(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Signals the whole process group of `leader`, as a terminal does.
pub fn signal(leader: &Child, name: &str) {
    assert!(send(leader, name).unwrap().success());
}

fn send(leader: &Child, name: &str) -> io::Result<ExitStatus> {
    let group = format!("-{}", leader.id());
    Command::new("kill").args(["-s", name, "--", &group]).status()
}
