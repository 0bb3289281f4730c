//! The live view: what a page gets while a run trains, how it stops the run, and whom it refuses.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

mod browser;
mod client;

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Output};
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;

#[path = "../support/mod.rs"]
mod support;

use browser::Page;
use client::{Events, Running, Watcher, start};
use support::{QUICK, program};

/// A folder with a recipe that trains for hours.
fn long_recipe() -> TempDir {
    let folder = TempDir::new().unwrap();
    let text = QUICK.replace("[training]\nepochs = 3", "[training]\nepochs = 100000");
    assert_ne!(text, QUICK);
    fs::write(folder.path().join("recipe.toml"), text).unwrap();
    folder
}

/// Waits for the end of a training that was stopped; returns the steps of its checkpoint.
fn stopped(mut training: Running, run: &Path) -> u64 {
    let mut words = String::new();
    training.0.stderr.take().unwrap().read_to_string(&mut words).unwrap();
    assert_eq!(training.0.wait().unwrap().code(), Some(130), "as after Ctrl-C: {words}");
    assert!(words.contains("stopped after") && words.contains("--resume"), "{words}");
    let names = fs::read_dir(run).unwrap().map(|entry| entry.unwrap().file_name());
    let mut steps = names.filter_map(|name| {
        name.to_str().unwrap().strip_prefix("checkpoint-").map(|steps| steps.parse().unwrap())
    });
    steps.next().expect("a checkpoint")
}

#[test]
fn a_page_shows_a_training_and_stops_it_with_a_checkpoint() {
    let folder = long_recipe();
    let run = folder.path().join("runs/one");
    fs::create_dir(folder.path().join("runs")).unwrap();
    let watcher = Watcher::start(folder.path(), &["runs", "--listen", "127.0.0.1:0"]);
    let mut page = watcher.events();
    assert_eq!(page.next()["runs"], Value::Array(Vec::new()), "no run yet");

    let training = start(folder.path(), &["train", "recipe.toml", "--out", "runs/one"]);
    let early = page.until(|run| run["live"]["done"].as_u64() > Some(0));
    let done = early["live"]["done"].as_u64();
    let later = page.until(|run| {
        let has_shot = run["live"]["devices"][0]["shot"]["readings"][0]["values"].is_array();
        run["live"]["done"].as_u64() > done && has_shot && !run["epochs"][0].is_null()
    });
    assert_eq!(later["state"], "running");
    let device = &later["live"]["devices"][0];
    assert_eq!(device["name"], "shg");
    assert_eq!(device["shot"]["drives"][0]["values"].as_array().unwrap().len(), 9);
    assert!(device["shots_per_second"].as_f64() > Some(0.0), "{device}");
    assert!(later["live"]["seconds_left"].as_f64() > Some(0.0), "{later}");
    assert!(later["live"]["loss"].as_array().unwrap().len() > 10, "{later}");
    assert!(later["twins"][0]["cosine"]["value"].is_number(), "{later}");

    // A page that is loaded again, or a second one, gets everything at once.
    let again = watcher.events().next();
    assert_eq!(again["runs"][0]["id"], later["id"]);
    assert!(
        again["runs"][0]["epochs"].as_array().unwrap().len()
            >= later["epochs"].as_array().unwrap().len()
    );

    let (status, answer) = watcher.stop(&later);
    assert_eq!(status, 202, "{answer}");
    let first = stopped(training, &run);
    let after = page.until(|run| run["state"] == "stopped");
    assert_eq!(after["checkpoint"].as_u64(), Some(first));
    assert_eq!(after["resume"], "twinprop train --resume runs/one");
    let (status, answer) = watcher.stop(&after);
    assert!(status == 409 && answer.contains("not running"), "{answer}");

    // An old request does not stop the run that is resumed.
    fs::write(run.join("stop"), "").unwrap();
    let training = start(folder.path(), &["train", "--resume", "runs/one"]);
    page.until(|run| run["state"] == "running" && run["live"]["done"].as_u64() > Some(first));
    fs::write(run.join("stop"), "").unwrap();
    assert!(stopped(training, &run) > first, "it went on from the checkpoint");
    assert!(!run.join("stop").exists());
}

#[test]
fn a_complete_run_cannot_be_stopped() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("recipe.toml"), QUICK).unwrap();
    let Output { status, stderr, .. } = program()
        .current_dir(folder.path())
        .args(["train", "recipe.toml", "--out", "run"])
        .output()
        .unwrap();
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    let watcher = Watcher::start(folder.path(), &["run", "--listen", "127.0.0.1:0"]);
    let run = watcher.events().next()["runs"][0].clone();
    assert_eq!(run["state"], "complete");
    assert_eq!(run["epochs"].as_array().unwrap().len(), 3);
    let (status, answer) = watcher.stop(&run);
    assert!(status == 409 && answer.contains("complete"), "{answer}");
}

#[test]
fn only_own_names_are_served_and_only_the_page_stops_a_run() {
    let folder = TempDir::new().unwrap();
    let watcher = Watcher::start(folder.path(), &[".", "--listen", "127.0.0.1:0"]);
    assert_eq!(watcher.token, None);
    let host = format!("Host: localhost:{}\r\n", watcher.address.port());
    let (status, page) = watcher.ask("GET /", &host);
    assert!(status == 200 && page.contains("EventSource") && page.contains("prefers-color-scheme"));
    for address in ["src=", "@import", "<link rel=\"stylesheet", "://cdn"] {
        assert!(!page.contains(address), "the page loads nothing: {address}");
    }
    for path in ["/", "/events", "/runs"] {
        let (status, answer) = watcher.ask(&format!("GET {path}"), "Host: evil.example\r\n");
        assert_eq!(status, 403, "{path}: {answer}");
    }
    assert_eq!(watcher.ask("GET /", "").0, 403, "no Host");
    let stop = "POST /stop?run=none";
    assert_eq!(watcher.ask(stop, &host).0, 403, "a form of another site");
    let other = format!("{host}X-Twinprop: stop\r\nOrigin: http://evil.example\r\n");
    assert_eq!(watcher.ask(stop, &other).0, 403);
    assert_eq!(watcher.ask(stop, &format!("{host}X-Twinprop: stop\r\n")).0, 404, "no such run");
}

#[test]
fn other_computers_need_the_token() {
    let folder = TempDir::new().unwrap();
    let watcher = Watcher::start(folder.path(), &[".", "--listen", "0.0.0.0:0"]);
    let token = watcher.token.clone().expect("a token is made");
    let host = format!("Host: 127.0.0.1:{}\r\n", watcher.address.port());
    for (line, headers) in [
        ("GET /", host.clone()),
        ("GET /events?token=wrong", host.clone()),
        ("POST /stop?run=none", format!("{host}X-Twinprop: stop\r\n")),
        ("GET /", format!("{host}Authorization: Bearer wrong\r\n")),
        (&format!("GET /?token={token}"), "Host: evil.example\r\n".to_owned()),
    ] {
        let (status, answer) = watcher.ask(line, &headers);
        assert_eq!(status, 403, "{line} {headers}: {answer}");
    }
    let (status, page) = watcher.ask(&format!("GET /?token={token}"), &host);
    assert_eq!(status, 200);
    // A reload has the cookie in the place of the token.
    let cookie = page.lines().find_map(|line| line.strip_prefix("Set-Cookie: ")).unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    assert_eq!(watcher.ask("GET /runs", &format!("{host}Cookie: {cookie}\r\n")).0, 200);

    for (arguments, words) in [
        (["watch", ".", "--token", "short"], "at least 8"),
        (["watch", "nowhere", "--listen", "127.0.0.1:0"], "nowhere is not a folder"),
    ] {
        let output = program().current_dir(folder.path()).args(arguments).output().unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && message.contains(words), "{message}");
    }
}

#[test]
fn a_browser_shows_moving_values_keeps_its_state_and_stops_the_run() {
    let folder = long_recipe();
    let run = folder.path().join("run");
    let watcher = Watcher::start(folder.path(), &[".", "--listen", "127.0.0.1:0"]);
    let training = start(folder.path(), &["train", "recipe.toml", "--out", "run"]);
    watcher.events().until(|run| !run["epochs"][1].is_null() && !run["live"]["loss"][1].is_null());
    let Some(mut page) = Page::open(&format!("http://{}/", watcher.address)) else {
        println!("skipped: there is no Chromium");
        return;
    };
    let is_live = "document.getElementById('link').textContent === 'live'";
    page.wait_for(is_live);
    page.wait_for("document.querySelectorAll('#charts polyline').length >= 5");
    page.wait_for("document.querySelectorAll('#devices svg').length === 2");
    page.value("window.text = document.getElementById('facts').innerText");
    page.wait_for("document.getElementById('facts').innerText !== text");

    page.value("document.getElementById('log').click()");
    page.value("window.isOld = true");
    page.call("Page.reload", json!({}));
    page.wait_for(&format!("!window.isOld && {is_live}"));
    page.wait_for("document.getElementById('log').checked");

    for width in [400, 1280] {
        let mut colours = Vec::new();
        for scheme in ["light", "dark"] {
            page.show(width, scheme);
            let fits = page.value(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth",
            );
            assert_eq!(fits, 0, "{width} pixels, {scheme}: nothing is cut off");
            colours.push(page.value("getComputedStyle(document.body).backgroundColor"));
        }
        assert_ne!(colours[0], colours[1]);
    }

    page.value("document.getElementById('stop').click()");
    page.value("document.getElementById('stop-now').click()");
    assert!(stopped(training, &run) > 0);
    page.wait_for(
        "document.getElementById('top').innerText.includes('twinprop train --resume run')",
    );
}

#[test]
#[cfg(target_os = "linux")]
fn twenty_pages_cost_a_training_next_to_nothing() {
    let folder = long_recipe();
    let watcher = Watcher::start(folder.path(), &[".", "--listen", "127.0.0.1:0"]);
    let training = start(folder.path(), &["train", "recipe.toml", "--out", "run"]);
    let mut pages: Vec<Events> = (0..20).map(|_| watcher.events()).collect();
    let cpu = || (seconds_of_cpu(&watcher.child.0), seconds_of_cpu(&training.0));
    let first = pages[0].until(|run| run["live"]["done"].as_u64() > Some(0));
    let ((watched, trained), since) = (cpu(), std::time::Instant::now());
    let end = first["live"]["updated"].as_f64().unwrap() + 6.0;
    let pages: Vec<_> = pages
        .into_iter()
        .map(|mut page| {
            thread::spawn(move || page.until(|run| run["live"]["updated"].as_f64() > Some(end)))
        })
        .collect();
    for page in pages {
        assert!(page.join().unwrap()["live"]["done"].as_u64() > first["live"]["done"].as_u64());
    }
    let (watched, trained) = (cpu().0 - watched, cpu().1 - trained);
    let seconds = since.elapsed().as_secs_f64();
    println!(
        "{watched:.2} s of CPU for 20 pages in {seconds:.1} s, beside {trained:.2} s of training"
    );
    // What a training that uses all cores can lose.
    let cores = thread::available_parallelism().unwrap().get() as f64;
    assert!(watched < 0.01 * cores * seconds, "{watched} s of CPU in {seconds} s");
}

/// CPU time of `child` until now, in seconds.
fn seconds_of_cpu(child: &Child) -> f64 {
    let text = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
    // After the name in brackets; 14 and 15 are ticks of 10 ms in the program and in the system.
    let (_, fields) = text.rsplit_once(") ").unwrap();
    let ticks = fields.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap());
    ticks.sum::<f64>() / 100.0
}
