//! Answers to new samples.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use crate::support::program;
use crate::{CLASSES, Lab, refused, samples, stderr, succeed, table, twinprop};

/// Lines of CSV in fields, of which only the classes' names are quoted.
fn rows(text: &str) -> Vec<Vec<String>> {
    text.lines()
        .map(|line| {
            let line = line.replace("\"left, low\"", "left; low");
            let line = line.replace("\"probability left, low\"", "probability left; low");
            line.split(',').map(|field| field.replace(';', ",")).collect()
        })
        .collect()
}

#[test]
fn new_samples_are_answered_with_probabilities() {
    let lab = Lab::new();
    // The training data need not be there.
    fs::rename(lab.file("data.csv"), lab.file("new.csv")).unwrap();
    for more in [&[][..], &["--source", "predicted"]] {
        let (text, said) =
            succeed(lab.path(), &[&["predict", "run", "new.csv"][..], more].concat());
        let rows = rows(&text);
        let header = [
            "line",
            "predicted",
            "probability left, low",
            "probability mid",
            "probability right",
            "label",
        ];
        assert_eq!(rows[0], header, "{text}");
        assert_eq!(rows.len(), 61);
        let mut right = 0;
        for (row, (number, sample)) in rows[1..].iter().zip(samples().iter().enumerate()) {
            assert_eq!(row[0], (number + 2).to_string());
            assert_eq!(row[5], sample.3);
            let probabilities: Vec<f64> =
                row[2..5].iter().map(|value| value.parse().unwrap()).collect();
            assert!((probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-5, "{row:?}");
            let best = probabilities.iter().copied().fold(0.0, f64::max);
            let answer = CLASSES.iter().position(|class| *class == row[1]).unwrap();
            assert_eq!(probabilities[answer], best);
            right += usize::from(row[1] == row[5]);
        }
        assert!(said.contains(&format!("({right} of 60 samples)")), "{said}");
        assert_eq!(said.contains("confused:"), right < 60, "{said}");
        assert!(right > 35 || more.len() == 2, "{said}");
    }
}

#[test]
fn columns_go_by_their_names_and_labels_may_be_missing() {
    let lab = Lab::new();
    let (whole, _) = succeed(lab.path(), &["predict", "run", "data.csv"]);
    let answers = |text: &str| -> Vec<Vec<String>> {
        rows(text)[1..].iter().map(|row| row[1..5].to_vec()).collect()
    };
    let turned = samples().iter().fold("hue,who,mass,noise\n".to_owned(), |text, one| {
        text + &format!("{},me,{},{}\n", one.2, one.0, one.1)
    });
    lab.write("new.csv", &turned);
    let (text, said) = succeed(lab.path(), &["predict", "run", "new.csv"]);
    assert_eq!(answers(&text), answers(&whole));
    assert!(!text.lines().next().unwrap().contains("label"), "{text}");
    assert!(said.contains("`who`") && !said.contains("accuracy"), "{said}");
    // Another layout, told by an option.
    lab.write("new.csv", &turned.replace(',', ";").replace('.', ","));
    let said = refused(lab.path(), &["predict", "run", "new.csv"]);
    assert!(said.contains("data.source.csv.delimiter"), "{said}");
    let layout = ["--set", "data.source.csv.delimiter=;", "--set", "data.source.csv.decimal=','"];
    let (text, _) = succeed(lab.path(), &[&["predict", "run", "new.csv"][..], &layout].concat());
    assert_eq!(answers(&text), answers(&whole));
    // Labels that training has not are named, or left aside.
    lab.write("new.csv", &table().replacen("mid", "unknown", 1));
    let said = refused(lab.path(), &["predict", "run", "new.csv"]);
    assert!(said.contains("`unknown`") && said.contains("line 3"), "{said}");
    let (text, _) = succeed(lab.path(), &["predict", "run", "new.csv", "--ignore-labels"]);
    assert_eq!(answers(&text), answers(&whole));
}

#[test]
fn what_cannot_be_answered_is_refused_before_a_shot() {
    let lab = Lab::new();
    fs::create_dir(lab.file("sounds")).unwrap();
    lab.write("sound.wav", "RIFF");
    lab.write("short.csv", "mass,noise\n1,2\n");
    lab.write("text.csv", "mass,noise,hue\n1,2,red\n");
    lab.write("empty.csv", "");
    lab.write("semicolons.csv", "mass;noise;hue\n1;2;3\n");
    for (arguments, expected) in [
        (&["run", "short.csv"][..], "`hue`"),
        (&["run", "text.csv"], "line 2, column `hue`"),
        (&["run", "semicolons.csv"], "--set data.source.csv.delimiter"),
        (&["run", "empty.csv"], "empty"),
        (&["run", "absent.csv"], "absent.csv"),
        (&["run", "sounds"], "a column for each of its 3 features, `mass`"),
        (&["run", "sound.wav"], "CSV"),
        (&["run", "data.csv", "--out", "data.csv"], "these are the samples"),
        (&["run", "data.csv", "--out", "sounds"], "it is a folder"),
        (&["run", "data.csv", "--out", "nowhere/out.csv"], "nowhere"),
        (&["run", "data.csv", "--set", "training.epochs=1"], "only how a table is laid out"),
        (&["run", "data.csv", "--set", "data.source.csv.delimitter=;"], "delimitter"),
        (&["run", "data.csv", "--source", "predicted", "--device", "x"], "leave out --device"),
        (&["sounds", "data.csv"], "not the folder of a run"),
    ] {
        let said = refused(lab.path(), &[&["predict"][..], arguments].concat());
        assert!(said.contains(expected), "{arguments:?}: {said}");
        assert!(!said.contains("measure the samples"), "{arguments:?}: {said}");
    }
    assert_eq!(lab.read("data.csv"), table());
}

#[test]
fn answers_are_written_whole_and_a_closed_pipe_is_quiet() {
    let lab = Lab::new();
    let (text, _) = succeed(lab.path(), &["predict", "run", "data.csv"]);
    lab.write("out.csv", "old");
    let (printed, _) = succeed(lab.path(), &["predict", "run", "data.csv", "--out", "out.csv"]);
    assert_eq!((printed.as_str(), lab.read("out.csv")), ("", text));
    // A refused call leaves what was there.
    refused(lab.path(), &["predict", "run", "absent.csv", "--out", "out.csv"]);
    assert!(lab.read("out.csv").starts_with("line,predicted"));
    if cfg!(unix) {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = program();
        command.current_dir(lab.path()).args(["predict", "run", "data.csv"]);
        let output = command.stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
        succeed(lab.path(), &["predict", "run", "data.csv", "--out", "/dev/null"]);
    }
}

#[test]
fn a_twin_answers_while_its_device_is_away() {
    let lab = Lab::new();
    let (expected, _) =
        succeed(lab.path(), &["predict", "run", "data.csv", "--source", "predicted"]);
    let mut recipe: toml::Table = lab.read("run/recipe.toml").parse().unwrap();
    let device = recipe["devices"]["shg"].as_table_mut().unwrap();
    device.remove("imperfections");
    let rig = toml::Table::from_iter([("target".to_owned(), "tcp://127.0.0.1:1".into())]);
    device.insert("rig".to_owned(), rig.into());
    lab.write("run/recipe.toml", &recipe.to_string());
    let output = twinprop(lab.path(), &["predict", "run", "data.csv"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let (found, _) = succeed(lab.path(), &["predict", "run", "data.csv", "--source", "predicted"]);
    assert_eq!(found, expected);
}

/// Images of 4 × 4 pixels, bright on the left or on the right, in MNIST's format.
fn images(count: usize) -> (Vec<u8>, Vec<u8>) {
    let header = |sizes: &[u32]| {
        let start = [0, 0, 8, sizes.len() as u8].into_iter();
        start.chain(sizes.iter().flat_map(|size| size.to_be_bytes())).collect::<Vec<u8>>()
    };
    let (mut pixels, mut labels) = (header(&[count as u32, 4, 4]), header(&[count as u32]));
    for image in 0..count {
        let class = image % 2;
        labels.push(3 + class as u8);
        pixels.extend((0..16).map(|pixel| {
            let bright = usize::from(pixel % 4 >= 2) == class;
            (if bright { 180 } else { 20 }) + ((image * 7 + pixel * 5) % 40) as u8
        }));
    }
    (pixels, labels)
}

/// The folder's recipe on `source`, trained as `run`.
fn train_on(folder: &Path, source: &str) {
    let recipe = crate::recipe().replace("data.source.csv = { path = \"data.csv\" }", source);
    fs::write(folder.join("other.toml"), recipe).unwrap();
    succeed(folder, &["train", "other.toml", "--out", "other"]);
}

#[test]
fn images_are_answered_by_a_network_of_images() {
    let lab = Lab::new();
    fs::create_dir(lab.file("set")).unwrap();
    for part in ["train", "t10k"] {
        let (pixels, labels) = images(40);
        fs::write(lab.file(&format!("set/{part}-images-idx3-ubyte")), pixels).unwrap();
        fs::write(lab.file(&format!("set/{part}-labels-idx1-ubyte")), labels).unwrap();
    }
    train_on(lab.path(), "data.source.idx.folder = \"set\"\ndata.every = 2");
    fs::rename(lab.file("set"), lab.file("away")).unwrap();
    let images_of = ["predict", "other", "away/t10k-images-idx3-ubyte"];
    let (text, said) = succeed(lab.path(), &images_of);
    let rows = rows(&text);
    assert_eq!(rows[0], ["image", "predicted", "probability 3", "probability 4", "label"]);
    assert_eq!((rows.len(), rows[40][0].as_str()), (41, "40"));
    assert!(said.contains("of 40 samples)"), "{said}");
    fs::remove_file(lab.file("away/t10k-labels-idx1-ubyte")).unwrap();
    let (text, said) = succeed(lab.path(), &images_of);
    assert!(!text.contains("label") && !said.contains("accuracy"), "{said}");
    let small = [&[0, 0, 8, 3][..], &[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2], &[9; 4]].concat();
    fs::write(lab.file("small-images"), small).unwrap();
    let said = refused(lab.path(), &["predict", "other", "small-images"]);
    assert!(said.contains("leaves 1 × 1") && said.contains("takes 2 × 2"), "{said}");
}

#[test]
fn images_are_viewed_as_those_of_the_training_were() {
    let lab = Lab::new();
    fs::create_dir(lab.file("set")).unwrap();
    for part in ["train", "t10k"] {
        let (pixels, labels) = images(40);
        fs::write(lab.file(&format!("set/{part}-images-idx3-ubyte")), pixels).unwrap();
        fs::write(lab.file(&format!("set/{part}-labels-idx1-ubyte")), labels).unwrap();
    }
    for view in [
        "{ fourier = { rows = 2, columns = 1 } }",
        "{ spikes = { steps = 1, shrink = 2, white = 1.0, coding = \"rate\" } }",
    ] {
        let augment = "data.augment = { horizontal_flip = true }";
        train_on(
            lab.path(),
            &format!("data.source.idx.folder = \"set\"\ndata.view = {view}\n{augment}"),
        );
        let summary = fs::read_to_string(lab.file("other/summary.json")).unwrap();
        let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
        let right = summary["test_accuracy"].as_f64().unwrap();
        let images_of = ["predict", "other", "set/t10k-images-idx3-ubyte"];
        let (text, said) = succeed(lab.path(), &images_of);
        let answers = rows(&text).into_iter().skip(1);
        let found = answers.filter(|row| row[1] == row[4]).count() as f64 / 40.0;
        assert!((found - right).abs() < 1e-6, "{found}, not {right}: {said}");
        fs::remove_dir_all(lab.file("other")).unwrap();
    }
}

/// A sound of 0.1 s at 8 kHz as a WAV file of 16-bit samples.
fn sound(hertz: f64, phase: f64) -> Vec<u8> {
    let samples: Vec<i16> = (0..800)
        .map(|place| {
            let angle = std::f64::consts::TAU * hertz * f64::from(place) / 8000.0 + phase;
            (9000.0 * angle.sin()) as i16
        })
        .collect();
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let size = bytes.len() as u32;
    let format = [&1u16.to_le_bytes()[..], &1u16.to_le_bytes(), &8000u32.to_le_bytes()].concat();
    let rest = [&16000u32.to_le_bytes()[..], &2u16.to_le_bytes(), &16u16.to_le_bytes()].concat();
    [
        b"RIFF",
        &(36 + size).to_le_bytes()[..],
        b"WAVEfmt ",
        &16u32.to_le_bytes(),
        &format,
        &rest,
        b"data",
        &size.to_le_bytes(),
        &bytes,
    ]
    .concat()
}

#[test]
fn recordings_are_answered_by_a_network_of_recordings() {
    let lab = Lab::new();
    fs::create_dir(lab.file("sounds")).unwrap();
    for take in 0..8 {
        for (label, hertz) in [("low", 300.0), ("high", 2400.0)] {
            let name = format!("sounds/{label}_ann_{take}.wav");
            fs::write(lab.file(&name), sound(hertz, f64::from(take))).unwrap();
        }
    }
    for view in [
        "{ log_mel = { bands = 2, windows = 2 } }",
        "{ cochlea = { channels = 2, lowest_hz = 300.0, highest_hz = 2400.0, steps = 3, step_seconds = 0.03 } }",
    ] {
        train_on(
            lab.path(),
            &format!("data.source.speech = {{ folder = \"sounds\", view = {view} }}"),
        );
        let (text, said) = succeed(lab.path(), &["predict", "other", "sounds"]);
        assert!(said.contains("of 16 samples)"), "{said}");
        let rows = rows(&text);
        assert_eq!(rows[0], ["file", "predicted", "probability high", "probability low", "label"]);
        assert_eq!(rows[1][0], "high_ann_0.wav");
        fs::write(lab.file("hum.wav"), sound(310.0, 0.5)).unwrap();
        let (text, said) = succeed(lab.path(), &["predict", "other", "hum.wav"]);
        assert!(text.lines().nth(1).unwrap().starts_with("hum.wav,"), "{text}");
        assert!(!said.contains("accuracy"), "{said}");
        fs::write(lab.file("mid_ann_0.wav"), sound(310.0, 0.5)).unwrap();
        let said = refused(lab.path(), &["predict", "other", "mid_ann_0.wav"]);
        assert!(said.contains("`mid`") && said.contains("--ignore-labels"), "{said}");
        succeed(lab.path(), &["predict", "other", "mid_ann_0.wav", "--ignore-labels"]);
        for path in ["hum.wav", "mid_ann_0.wav"] {
            fs::remove_file(lab.file(path)).unwrap();
        }
        fs::remove_dir_all(lab.file("other")).unwrap();
    }
}
