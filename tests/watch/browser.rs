//! A page in Chromium without a window, by the DevTools protocol over pipes: messages of JSON, each ended by a zero
//! byte, on the file descriptors 3 and 4.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{PATIENCE, Running};

/// A page in a browser, which ends with this.
pub struct Page {
    messages: BufReader<ChildStdout>,
    commands: ChildStdin,
    count: u64,
    session: Value,
    _browser: Running,
    _profile: TempDir,
}

impl Page {
    /// The page at `address`; `None` without Chromium.
    pub fn open(address: &str) -> Option<Self> {
        let is_there = |browser: &&str| {
            let mut command = Command::new(browser);
            let output = command.arg("--version").output();
            output.is_ok_and(|output| output.status.success())
        };
        let browsers = ["chromium", "chromium-browser", "google-chrome"];
        let browser = browsers.into_iter().find(is_there)?;
        let profile = TempDir::new().unwrap();
        let start = "exec \"$0\" \"$@\" --headless --no-sandbox --disable-gpu --remote-debugging-pipe 3<&0 4>&1";
        let mut command = Command::new("sh");
        command.args(["-c", start, browser]);
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut browser = Running(command.spawn().unwrap());
        let mut page = Self {
            messages: BufReader::new(browser.0.stdout.take().unwrap()),
            commands: browser.0.stdin.take().unwrap(),
            count: 0,
            session: Value::Null,
            _browser: browser,
            _profile: profile,
        };
        let target = page.call("Target.createTarget", json!({ "url": address }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        page.session = page.call("Target.attachToTarget", attach)["sessionId"].clone();
        Some(page)
    }

    /// The result of a command.
    pub fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.count += 1;
        let mut command = json!({ "id": self.count, "method": method, "params": parameters });
        if !self.session.is_null() {
            command["sessionId"] = self.session.clone();
        }
        self.commands.write_all(format!("{command}\0").as_bytes()).unwrap();
        loop {
            let mut message = Vec::new();
            self.messages.read_until(0, &mut message).unwrap();
            assert_eq!(message.pop(), Some(0), "the browser has ended");
            let message: Value = serde_json::from_slice(&message).unwrap();
            if message["id"] == self.count {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].clone();
            }
        }
    }

    /// The value of `expression` in the page; null where it fails.
    pub fn value(&mut self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "returnByValue": true });
        self.call("Runtime.evaluate", parameters)["result"]["value"].clone()
    }

    /// Waits until `expression` is true in the page.
    pub fn wait_for(&mut self, expression: &str) {
        let end = Instant::now() + PATIENCE;
        while self.value(expression) != Value::Bool(true) {
            assert!(
                Instant::now() < end,
                "{expression}: {}",
                self.value("document.body.innerText")
            );
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Makes the page `width` pixels wide, in the colours of `scheme`, `light` or `dark`.
    pub fn show(&mut self, width: u32, scheme: &str) {
        let size =
            json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", size);
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
        self.call("Emulation.setEmulatedMedia", json!({ "features": [feature] }));
    }
}
