//! Translates the library's messages for the program that shows them.
//!
//! Messages name options and functions of the library, such as option `data_dir` and `experiment::resume(runs/a)`. On
//! the command line these are arguments and commands, in another language its own names.

/// Functions of the library, and the commands that call them.
const COMMANDS: [(&str, &str); 7] = [
    ("experiment::resume_comparison", "compare --resume"),
    ("experiment::meta::resume_meta_training", "meta-train --resume"),
    ("experiment::resume", "train --resume"),
    ("experiment::evaluate_run", "evaluate"),
    ("experiment::recalibrate_run", "recalibrate --shots N"),
    ("experiment::train", "train"),
    ("probe::Probe", "device probe"),
];

/// Returns `text` with options as arguments, such as `--data-dir`, and functions as commands, such as
/// `twinprop train --resume runs/a`.
#[must_use]
pub fn for_command_line(text: &str) -> String {
    let text = with_given(&with_options(text, argument));
    COMMANDS.iter().fold(text, |text, (function, command)| {
        with_calls(&text, function, |path| match path {
            Some(path) => format!("twinprop {command} {path}"),
            None => format!("twinprop {command}"),
        })
    })
}

/// Returns `text` with what a program passes as something that the command line cannot pass.
fn with_given(text: &str) -> String {
    let advice = ["pass it in `Given::", "pass them in `Given::"];
    advice.iter().fold(text.to_owned(), |text, pass| {
        let parts = text.split_once(pass).and_then(|(before, after)| {
            after.split_once('`').map(|(_, after)| {
                format!("{before}do this in the program that has it, in Python by twinprop.run or twinprop.load{after}")
            })
        });
        parts.unwrap_or(text)
    })
}

/// Returns `text` with each option as `named` says.
#[must_use]
pub fn with_options(text: &str, named: impl Fn(&str) -> String) -> String {
    let mut found = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("option `") {
        let Some((name, after)) = after.split_once('`') else { break };
        found += before;
        found += &named(name);
        rest = after;
    }
    found + rest
}

/// The argument of an option: `data_dir` is `--data-dir`.
fn argument(option: &str) -> String {
    // Arguments are repeated, so their names are singular.
    let name = match option {
        "devices" => "device",
        "sweeps" => "sweep",
        other => other,
    };
    format!("--{}", name.replace('_', "-"))
}

/// Returns `text` with `FUNCTION(PATH)` and `FUNCTION`, in backticks, as `named` says for the path.
#[must_use]
pub fn with_calls(text: &str, function: &str, named: impl Fn(Option<&str>) -> String) -> String {
    let mut found = String::with_capacity(text.len());
    let mut rest = text;
    let start = format!("`{function}");
    while let Some((before, after)) = rest.split_once(&start) {
        let Some((arguments, after)) = after.split_once('`') else { break };
        found += before;
        let path = arguments.strip_prefix('(').and_then(|path| path.strip_suffix(')'));
        match (path, arguments) {
            (Some(_), _) | (None, "") => found += &format!("`{}`", named(path)),
            // Another function with a longer name.
            (None, _) => found += &format!("{start}{arguments}`"),
        }
        rest = after;
    }
    found + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_become_arguments_and_functions_commands() {
        for (library, command_line) in [
            ("name another folder with option `out`", "name another folder with --out"),
            (
                "option `set` a=1: wrong; option `allow_changed_data`",
                "--set a=1: wrong; --allow-changed-data",
            ),
            ("option `devices` x: no target", "--device x: no target"),
            (
                "resume with `experiment::resume(runs/a b)`",
                "resume with `twinprop train --resume runs/a b`",
            ),
            ("with `experiment::resume_comparison(c)`", "with `twinprop compare --resume c`"),
            (
                "with `experiment::meta::resume_meta_training(m)`",
                "with `twinprop meta-train --resume m`",
            ),
            (
                "none were; pass them in `Given::data`, or",
                "none were; do this in the program that has it, in Python by twinprop.run or twinprop.load, or",
            ),
            ("by `experiment::recalibrate_run`", "by `twinprop recalibrate --shots N`"),
            ("nothing to say", "nothing to say"),
            ("option `unclosed", "option `unclosed"),
        ] {
            assert_eq!(for_command_line(library), command_line);
        }
    }
}
