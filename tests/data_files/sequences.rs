//! Time series as windows: which values each has, how they are divided, and what is refused.

use std::fs;
use std::path::Path;

use nalgebra::DMatrix;
use twinprop::data::{
    DataConfig, Dataset, FeatureScaling, Locator, Origins, Samples, SourceConfig, Split, Targets,
    read_sequence,
};

use crate::numpy::{f8, npz};

const TIMES: usize = 40;

fn u(time: usize) -> f64 {
    time as f64
}

fn v(time: usize) -> f64 {
    100.0 + 2.0 * time as f64
}

fn d(time: usize) -> f64 {
    (0.7 * time as f64).sin() + 0.01 * time as f64
}

fn symbol(time: usize) -> i32 {
    [-3, -1, 1, 3][time * time % 7 % 4]
}

fn table() -> String {
    let rows = (0..TIMES).map(|t| format!("{},{},{},{},note\n", u(t), v(t), d(t), symbol(t)));
    format!("u,v,d,s,remark\n{}", rows.collect::<String>())
}

fn all(value: impl Fn(usize) -> f64) -> Vec<f64> {
    (0..TIMES).map(value).collect()
}

fn config(options: &str, more: &str) -> Result<DataConfig, String> {
    let text = format!("source.sequence = {{ {options} }}\n{more}");
    toml::from_str(&text).map_err(|error| error.to_string())
}

fn load_in(folder: &Path, options: &str, more: &str) -> Result<Split, String> {
    let config = config(options, more)?;
    config.load(&Locator::new(folder, None), 1).map_err(|error| error.to_string())
}

fn load(files: &[(&str, Vec<u8>)], options: &str, more: &str) -> Result<Split, String> {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    load_in(folder.path(), options, more)
}

fn of_table(options: &str, more: &str) -> Result<Split, String> {
    load(&[("c.csv", table().into())], &format!("path = \"c.csv\", {options}"), more)
}

fn values(half: &Dataset) -> &DMatrix<f32> {
    match &half.targets {
        Targets::Values(values) => values,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_window_has_its_inputs_one_after_another_and_the_target_at_its_end() {
    let options = "inputs = [\"u\", \"v\"], targets = [\"d\"], window = 4, stride = 3";
    let split = of_table(options, "").unwrap();
    // The first thirty times are the training's, the last ten the test's: 0..=26 and 30..=36 in steps of 3.
    assert_eq!((split.train.len(), split.test.len()), (9, 3));
    let scaling = FeatureScaling::standard((0..9).map(|window| d(3 * window + 3)));
    assert_eq!(split.schema.targets[0].scaling, scaling);
    assert_eq!(split.schema.target_names().collect::<Vec<_>>(), ["d"]);
    for (half, first) in [(&split.train, 0), (&split.test, 30)] {
        for (window, sample) in half.features.column_iter().enumerate() {
            let start = first + 3 * window;
            let seen = (start..start + 4).map(u).chain((start..start + 4).map(v));
            let seen: Vec<f32> = seen.map(|value| value as f32).collect();
            assert_eq!(sample.as_slice(), seen);
            assert_eq!(values(half)[(0, window)], scaling.apply(d(start + 3)));
        }
    }
    let names: Vec<&str> = split.schema.feature_names().collect();
    assert_eq!(
        names,
        ["u at 0", "u at 1", "u at 2", "u at 3", "v at 0", "v at 1", "v at 2", "v at 3"]
    );
    // The stride is one, and the last quarter is tested, if nothing else is said.
    let split = of_table("inputs = [\"u\"], targets = [\"d\"], window = 5", "").unwrap();
    assert_eq!((split.train.len(), split.test.len()), (26, 6));
    assert!(split.warnings.is_empty(), "{:?}", split.warnings);
}

#[test]
fn answers_may_be_later_or_earlier_but_within_their_half() {
    let split = |ahead: i64| {
        let options = format!("inputs = [\"u\"], targets = [\"d\"], window = 4, ahead = {ahead}");
        of_table(&options, "split.ordered = { test_fraction = 0.5 }").unwrap()
    };
    for (ahead, first, count) in [(0, 0, 17), (6, 0, 11), (-2, 0, 17), (-5, 2, 15)] {
        let split = split(ahead);
        for (half, begin) in [(&split.train, 0), (&split.test, 20)] {
            assert_eq!(half.len(), count, "{ahead}");
            for window in 0..count {
                let start = begin + first + window;
                assert_eq!(half.features[(0, window)], u(start) as f32);
                let time = (start as i64 + 3 + ahead) as usize;
                assert!((begin..begin + 20).contains(&time));
                let expected = split.schema.targets[0].scaling.apply(d(time));
                assert_eq!(values(half)[(0, window)], expected, "{ahead}");
            }
        }
    }
    // A prediction: the input is the target.
    let options = "inputs = [\"d\"], targets = [\"d\"], window = 8, ahead = 6";
    let split = of_table(options, "split.ordered = { test_fraction = 0.5 }").unwrap();
    let scaling = split.schema.targets[0].scaling;
    assert_eq!(values(&split.train)[(0, 2)], scaling.apply(d(15)));
    assert_eq!(split.train.features[(7, 2)], d(9) as f32);
}

#[test]
fn a_target_may_be_a_waveform() {
    let options =
        "inputs = [\"u\"], targets = [\"d\", \"v\"], window = 4, stride = 2, target = \"window\"";
    let split = of_table(options, "").unwrap();
    assert_eq!(values(&split.train).shape(), (8, 14));
    let names: Vec<&str> = split.schema.target_names().collect();
    assert_eq!(names[..5], ["d at 0", "d at 1", "d at 2", "d at 3", "v at 0"]);
    // One scaling a target, by each time of the training once.
    let scaling = FeatureScaling::standard((0..30).map(d));
    assert!(split.schema.targets[..4].iter().all(|target| target.scaling == scaling));
    for window in 0..14 {
        for step in 0..4 {
            let expected = scaling.apply(d(2 * window + step));
            assert_eq!(values(&split.train)[(step, window)], expected);
        }
    }
    let back = split.schema.in_file_units(values(&split.test));
    assert!((back[(5, 1)] - v(33)).abs() < 1e-4);
    let later = of_table(&format!("{options}, ahead = 1"), "").unwrap();
    assert_eq!(later.train.len(), 13);
    let expected = later.schema.targets[0].scaling.apply(d(1));
    assert_eq!(values(&later.train)[(0, 0)], expected);
}

#[test]
fn a_class_may_be_the_answer() {
    let options = "inputs = [\"u\"], classes = \"s\", window = 6, ahead = -2";
    let split = of_table(options, "").unwrap();
    let classes = ["-3", "-1", "1", "3"];
    let expected: Vec<&str> = split.classes.iter().map(String::as_str).collect();
    assert!(expected.iter().all(|class| classes.contains(class)), "{expected:?}");
    for (window, &class) in split.train.targets.classes().iter().enumerate() {
        assert_eq!(split.classes[class], symbol(window + 3).to_string());
    }
    assert!(split.schema.targets.is_empty());
    let apart = "inputs = [\"u\"], classes = \"s\", window = 3, stride = 3";
    let split = of_table(apart, "split.stratified = { test_fraction = 0.5 }").unwrap();
    assert!(split.warnings.is_empty(), "{:?}", split.warnings);
    for half in [&split.train, &split.test] {
        for (sample, &class) in half.targets.classes().iter().enumerate() {
            let time = half.features[(2, sample)] as usize;
            assert_eq!(split.classes[class], symbol(time).to_string());
        }
    }
    let rare = table().replacen(&format!(",{},note\n36,", symbol(35)), ",9,note\n36,", 1);
    let message = load(&[("c.csv", rare.into())], &format!("path = \"c.csv\", {apart}"), "");
    let message = message.unwrap_err();
    assert!(message.contains("line 37: the class `9`"), "{message}");
}

#[test]
fn every_file_gives_the_same_windows() {
    let options = "inputs = [\"u\", \"v\"], targets = [\"d\"], window = 5, stride = 2";
    let expected = of_table(options, "").unwrap();
    let semicolons = table().replace(',', ";").replace('.', ",");
    let layout = "csv = { delimiter = \";\", decimal = \",\" }";
    let found = load(
        &[("c.csv", semicolons.into())],
        &format!("path = \"c.csv\", {options}, {layout}"),
        "",
    );
    assert_eq!(found.unwrap(), expected);
    let archive = npz(
        &[
            ("u", f8(&[TIMES], &all(u))),
            ("v", f8(&[TIMES, 1], &all(v))),
            ("d", f8(&[TIMES], &all(d))),
            ("s", f8(&[TIMES], &all(|t| f64::from(symbol(t))))),
        ],
        true,
    );
    let files = [("c.npz", archive)];
    assert_eq!(load(&files, &format!("path = \"c.npz\", {options}"), "").unwrap(), expected);
    let rows: Vec<f64> =
        (0..TIMES).flat_map(|t| [d(t), u(t), v(t), f64::from(symbol(t))]).collect();
    let columns = options
        .replace("\"u\", \"v\"", "\"column 2\", \"column 3\"")
        .replace("\"d\"", "\"column 1\"");
    let matrix = [("c.npy", f8(&[TIMES, 4], &rows))];
    let found = load(&matrix, &format!("path = \"c.npy\", {columns}"), "").unwrap();
    assert_eq!((&found.train, &found.test), (&expected.train, &expected.test));
    let classes = "classes = \"s\", inputs = [\"u\"], window = 5";
    let expected = of_table(classes, "").unwrap();
    assert_eq!(load(&files, &format!("path = \"c.npz\", {classes}"), "").unwrap(), expected);
    let columns = classes.replace("\"s\"", "\"column 4\"").replace("\"u\"", "\"column 2\"");
    let found = load(&matrix, &format!("path = \"c.npy\", {columns}"), "").unwrap();
    assert_eq!((&found.train, &found.classes), (&expected.train, &expected.classes));
    // A column alone.
    let alone = [("c.npy", f8(&[TIMES], &all(d)))];
    let options = "inputs = [\"column 1\"], targets = [\"column 1\"], window = 5, ahead = 1";
    let found = load(&alone, &format!("path = \"c.npy\", {options}"), "").unwrap();
    assert_eq!(found.train.features[(4, 0)], d(4) as f32);
}

#[test]
fn windows_are_divided_in_other_ways_too() {
    let options = "inputs = [\"u\"], targets = [\"d\"], window = 4, stride = 2";
    let split = of_table(options, "split.random = { test_fraction = 0.5 }").unwrap();
    assert_eq!((split.train.len(), split.test.len()), (9, 10));
    assert!(split.warnings[0].contains("windows overlap"), "{:?}", split.warnings);
    let apart = of_table(
        &options.replace("stride = 2", "stride = 4"),
        "split.random = { test_fraction = 0.5 }",
    );
    assert!(apart.unwrap().warnings.is_empty());
    let files =
        [("c.csv", table().into()), ("t.csv", table()[..400].rsplit_once('\n').unwrap().0.into())];
    let own = load(&files, &format!("path = \"c.csv\", test = \"t.csv\", {options}"), "").unwrap();
    assert_eq!(own.train.len(), 19);
    assert!(own.test.len() > 2 && own.test.len() < 19);
    assert_eq!(own.test.features.column(1), own.train.features.column(1));
    let scaling = FeatureScaling::standard((0..19).map(|window| d(2 * window + 3)));
    assert_eq!(own.schema.targets[0].scaling, scaling);
}

#[test]
fn what_cannot_be_is_refused() {
    let good = "inputs = [\"u\"], targets = [\"d\"], window = 4";
    let changed = |from: &str, to: &str| good.replace(from, to);
    for (options, more, expected) in [
        (changed("[\"u\"]", "[]"), "", "inputs names no column"),
        (changed("targets = [\"d\"], ", ""), "", "targets, or a class"),
        (format!("{good}, classes = \"s\""), "", "not both"),
        (
            changed("targets = [\"d\"]", "classes = \"s\", target = \"window\""),
            "",
            "one class a window",
        ),
        (changed("targets = [\"d\"]", "classes = \"u\""), "", "would be seen"),
        (changed("[\"u\"]", "[\"u\", \"u\"]"), "", "`u` is twice"),
        (changed("[\"d\"]", "[\"d\", \"d\"]"), "", "`d` is twice"),
        (changed("\"u\"", "\"w\""), "", "line 1: there is no column `w`"),
        (changed("\"d\"", "\"w\""), "", "line 1: there is no column `w`"),
        (changed("targets = [\"d\"]", "classes = \"w\""), "", "no column `w`"),
        (changed("\"u\"", "\"remark\""), "", "line 2, column `remark`: expected a finite number"),
        (changed("= 4", "= 11"), "", "no window of 11 with an answer 0 later"),
        (changed("= 4", "= 41"), "split.random = { test_fraction = 0.5 }", "no window of 41"),
        (format!("{good}, ahead = 7"), "", "no window of 4 with an answer 7 later"),
        (format!("{good}, ahead = -9223372036854775808"), "", "no window"),
        (format!("{good}, ahead = 9223372036854775807"), "", "no window"),
        (changed("= 4", "= 0"), "", "1 or more"),
        (format!("{good}, stride = 0"), "", "1 or more"),
        (format!("{good}, target = \"middle\""), "", "middle"),
        (format!("{good}, delimiter = \";\""), "", "delimiter"),
        (format!("{good}, csv = {{ decimal = \"x\" }}"), "", "data.source.sequence.csv.decimal"),
        (
            format!("{good}, csv = {{ delimiter = \";\" }}"),
            "",
            "data.source.sequence.csv.delimiter = \",\"",
        ),
        (good.to_owned(), "split.ordered = { test_fraction = 0.01 }", "too few times (40)"),
        (good.to_owned(), "split.by_column = { column = \"u\", test = [\"1\"] }", "no column `u`"),
        (good.to_owned(), "every = 2", "no images"),
    ] {
        let message = of_table(&options, more).err().unwrap_or_else(|| panic!("{options} {more}"));
        assert!(message.contains(expected), "{expected} in {message}");
        assert!(!message.contains("source.csv"), "{message}");
    }
    let constant = table()
        .lines()
        .map(|line| format!("{line},5\n").replace("remark,5", "remark,k"))
        .collect::<String>();
    let split = load(
        &[("c.csv", constant.into())],
        &format!("path = \"c.csv\", {}", changed("\"d\"", "\"k\"")),
        "",
    );
    assert!(split.unwrap().warnings[0].contains("`k` is the same"));
    // Constant where it is trained; the last quarter is tested.
    let stepped = table()
        .lines()
        .enumerate()
        .map(|(place, line)| format!("{line},{}\n", if place > 31 { 6 } else { 5 }))
        .collect::<String>()
        .replacen("remark,5", "remark,k", 1);
    let split = load(
        &[("s.csv", stepped.into())],
        &format!("path = \"s.csv\", {}", changed("\"d\"", "\"k\"")),
        "",
    );
    assert!(split.unwrap().warnings[0].contains("`k` is the same"));
    let archive = npz(
        &[("u", f8(&[TIMES], &all(u))), ("d", f8(&[3], &[0.0; 3])), ("m", f8(&[20, 2], &all(u)))],
        true,
    );
    for (options, expected) in [
        (good.to_owned(), "array `d`: it has 3 times, and `u` has 40"),
        (changed("\"d\"", "\"m\""), "its shape is [20, 2]"),
        (changed("\"d\"", "\"w\""), "no array `w`; it has `d`, `m`, `u`"),
        (changed("targets = [\"d\"]", "classes = \"w\""), "no array `w`"),
        (changed("targets = [\"d\"]", "classes = \"d\""), "array `d`: it has 3 times"),
    ] {
        let message =
            load(&[("c.npz", archive.clone())], &format!("path = \"c.npz\", {options}"), "")
                .unwrap_err();
        assert!(message.contains(expected), "{expected} in {message}");
    }
    let mut holes = all(u);
    holes[7] = f64::NAN;
    for (array, expected) in [
        (f8(&[TIMES], &holes), "the value [7] is NaN"),
        (f8(&[2, 2, 10], &all(u)), "its shape is [2, 2, 10]; a series"),
        (f8(&[20, 2], &all(u)), "no column `column 3`; it has `column 1`, `column 2`"),
    ] {
        let options =
            "path = \"c.npy\", inputs = [\"column 1\"], targets = [\"column 3\"], window = 4";
        let options = if expected.contains("NaN") {
            options.replace("column 3", "column 1")
        } else {
            options.to_owned()
        };
        let message = load(&[("c.npy", array)], &options, "").unwrap_err();
        assert!(message.contains(expected), "{expected} in {message}");
    }
}

#[test]
fn new_windows_have_answers_if_the_series_has() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: Vec<u8>| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let channel = write("c.csv", table().into());
    let trained = |options: &str| {
        let options = format!("path = \"c.csv\", {options}");
        let SourceConfig::Sequence(source) = config(&options, "").unwrap().source else { panic!() };
        (source, load_in(folder.path(), &options, "").unwrap().schema)
    };
    let (source, schema) =
        trained("inputs = [\"u\"], targets = [\"d\"], window = 4, stride = 2, ahead = 3");
    let read = |path: &Path, labelled: bool| -> Result<Samples, String> {
        read_sequence(path, &source, &schema, labelled).map_err(|error| error.to_string())
    };
    let samples = read(&channel, true).unwrap();
    // Windows from 0 to 32: from 34 the answer is beyond the end.
    assert_eq!(samples.features.shape(), (4, 17));
    let expected = schema.targets[0].scaling.apply(d(8));
    assert_eq!(samples.targets.unwrap()[(0, 1)], expected);
    let Origins::Lines(lines) = samples.origins else { panic!() };
    assert_eq!(lines[..2], [5, 7]);
    let forecast = read(&channel, false).unwrap();
    assert_eq!((forecast.features.ncols(), forecast.targets), (19, None));
    let inputs = write("new.csv", "time,u\n0,5\n1,6\n2,7\n3,8\n4,9\n".into());
    let samples = read(&inputs, true).unwrap();
    assert_eq!(
        (samples.features.as_slice(), samples.targets),
        ([5.0, 6.0, 7.0, 8.0].as_slice(), None)
    );
    let arrays = write("new.npz", npz(&[("u", f8(&[5], &[5.0, 6.0, 7.0, 8.0, 9.0]))], true));
    let samples = read(&arrays, true).unwrap();
    assert_eq!((samples.origins.of(0), samples.origins.heading()), ("3".to_owned(), "time"));
    for (path, expected) in [
        (write("short.csv", "u\n1\n2\n".into()), "windows of 4"),
        (write("other.csv", "time,d\n1,2\n".into()), "no column `u`"),
        (write("hole.csv", "u\n1\n\n2\nx\n3\n4\n".into()), "line 5, column `u`"),
    ] {
        let message = read(&path, true).unwrap_err();
        assert!(message.contains(expected), "{expected} in {message}");
    }
    let (source, schema) = trained("inputs = [\"u\"], classes = \"s\", window = 4");
    let samples = read_sequence(&channel, &source, &schema, true).unwrap();
    let labels = samples.labels.unwrap();
    assert_eq!(schema.classes[labels[10]], symbol(13).to_string());
    let samples = read_sequence(&inputs, &source, &schema, true).unwrap();
    assert_eq!((samples.labels, samples.features.ncols()), (None, 2));
    let (other, _) = trained("inputs = [\"u\", \"v\"], targets = [\"d\"], window = 4");
    read_sequence(&channel, &other, &schema, true).unwrap_err();
}

#[test]
fn a_sequence_is_written_with_its_split() {
    let text = "path = \"c.csv\", inputs = [\"u\"], targets = [\"d\"], window = 4";
    let written = toml::to_string(&config(text, "").unwrap()).unwrap();
    assert!(written.contains("[split.ordered]\ntest_fraction = 0.25"), "{written}");
    let again: DataConfig = toml::from_str(&written).unwrap();
    assert_eq!(again, config(text, "").unwrap());
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("c.csv"), table()).unwrap();
    let mut config = config(text, "").unwrap();
    config.source.make_absolute(folder.path(), None).unwrap();
    let SourceConfig::Sequence(source) = config.source else { panic!() };
    assert!(source.path.is_some_and(|path| path.is_absolute()));
}

#[test]
fn calculated_series_are_windowed_as_those_of_files_are() {
    let channel = |options: &str| {
        let options = format!(
            "series.channel = {{ symbols = 400 }}, inputs = [\"received\"], window = 10, {options}"
        );
        let load =
            |seed| config(&options, "")?.load(&Locator::default(), seed).map_err(|e| e.to_string());
        load(1).and_then(|split| Ok((split, load(2)?)))
    };
    // The symbol two before the window's last, as a class and as a value.
    let (classes, other) = channel("classes = \"sent\", ahead = -2").expect("it is read");
    let (values, _) = channel("targets = [\"sent\"], ahead = -2").expect("it is read");
    assert_eq!(classes.classes, ["-3", "-1", "1", "3"]);
    assert_ne!(classes.train.features, other.train.features, "the seed draws the symbols");
    assert_eq!(classes.train.features, values.train.features);
    let Targets::Values(answers) = &values.train.targets else { panic!("they are values") };
    let sent = values.schema.in_file_units(answers);
    for (sample, &class) in classes.train.targets.classes().iter().enumerate() {
        let expected = [-3.0, -1.0, 1.0, 3.0][class];
        assert!((sent[(0, sample)] - expected).abs() < 1e-6, "{sample}");
        // The channel's nonlinearity and echoes are small beside a symbol.
        assert!((f64::from(classes.train.features[(7, sample)]) - expected).abs() < 2.5);
    }
    let error = channel("targets = [\"x\"]").expect_err("no such column");
    assert!(error.contains("channel") && error.contains("`sent`, `received`"), "{error}");

    let options = "series.mackey_glass = { times = 300 }, inputs = [\"x\"], targets = [\"x\"], window = 8, ahead = 6";
    let split = config(options, "").unwrap().load(&Locator::default(), 1).expect("it is read");
    assert_eq!((split.train.len(), split.test.len()), (225 - 13, 75 - 13));
    for both in ["path = \"c.csv\", series.mackey_glass = {}", "stride = 1"] {
        let error =
            load(&[], &format!("{both}, inputs = [\"x\"], targets = [\"x\"], window = 8"), "");
        let error = error.expect_err("either a file or a series");
        assert!(error.contains("path") && error.contains("series"), "{error}");
    }
}
