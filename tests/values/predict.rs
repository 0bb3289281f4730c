//! Answers to new samples, in the units of the training's file.

use std::fs;
use std::path::Path;

use crate::{SERIES, TABLE, lab, refused, samples, series, succeed, table};

/// Header and numbers of a table.
fn numbers(text: &str) -> (String, Vec<Vec<f64>>) {
    let mut lines = text.lines();
    let header = lines.next().unwrap().to_owned();
    (
        header,
        lines.map(|line| line.split(',').map(|cell| cell.parse().unwrap()).collect()).collect(),
    )
}

/// The error that is told, `RMSE …` in the words of a command.
fn told(said: &str, name: &str) -> f64 {
    let value = said.split(&format!("{name} ")).nth(1).unwrap();
    value.split([' ', ',']).next().unwrap().parse().unwrap()
}

#[test]
fn new_samples_are_answered_in_the_units_of_the_table() {
    let folder = lab(TABLE, 2);
    let path = folder.path();
    succeed(path, &["train", "recipe.toml", "--out", "run"]);
    // The training data need not be there.
    fs::rename(path.join("data.csv"), path.join("new.csv")).unwrap();
    let mut measured = Vec::new();
    for source in ["measured", "predicted"] {
        let (text, said) = succeed(path, &["predict", "run", "new.csv", "--source", source]);
        let (header, rows) = numbers(&text);
        assert_eq!(header, "line,predicted force,predicted current,force,current");
        assert_eq!(rows.len(), 80);
        let (mut errors, mut total) = (0.0, 0.0);
        let column = |place: usize| -> f64 { samples().iter().map(|sample| sample[place]).sum() };
        let means = [column(3) / 80.0, column(4) / 80.0];
        for (number, (row, sample)) in rows.iter().zip(samples()).enumerate() {
            assert_eq!(row[0], (number + 2) as f64);
            for (place, unit) in [1.0, 1e-9].into_iter().enumerate() {
                let truth = sample[3 + place];
                assert!((row[3 + place] - truth).abs() < 1e-6 * unit, "{row:?}");
                // Roughly: the deviations of the two targets, which R² weighs them by.
                let scale = if place == 0 { 1.0 } else { 0.28e-9 };
                errors += ((row[1 + place] - truth) / scale).powi(2);
                total += ((truth - means[place]) / scale).powi(2);
            }
        }
        let r2 = told(&said, "R²");
        assert!((1.0 - errors / total - r2).abs() < 0.05, "{r2} {errors} {total}: {said}");
        assert!(said.contains("(80 samples)"), "{said}");
        if source == "measured" {
            measured = rows;
        }
    }
    // Without targets, or with them ignored, the answers are the same, to the noise of the readings.
    let bare = table().lines().fold(String::new(), |text, line| {
        text + &line.split(',').take(3).collect::<Vec<_>>().join(",") + "\n"
    });
    fs::write(path.join("bare.csv"), bare).unwrap();
    for arguments in [&["bare.csv"][..], &["new.csv", "--ignore-labels"]] {
        let (text, said) = succeed(path, &[&["predict", "run"][..], arguments].concat());
        let (header, rows) = numbers(&text);
        assert_eq!(header, "line,predicted force,predicted current");
        assert!(!said.contains("R²") && !said.contains("not used"), "{said}");
        assert!(
            rows.iter().zip(&measured).all(|(row, known)| row[..] == known[..3]),
            "{arguments:?}"
        );
    }
    let said = refused(path, &["predict", "run", "samples.npy"]);
    assert!(said.contains("NumPy"), "{said}");
}

#[test]
fn a_series_is_answered_window_by_window() {
    let folder = lab(SERIES, 1);
    let path = folder.path();
    succeed(path, &["train", "recipe.toml", "--out", "run", "--rule", "ideal"]);
    let (text, said) = succeed(path, &["predict", "run", "series.csv"]);
    let (header, rows) = numbers(&text);
    assert_eq!((header.as_str(), rows.len()), ("line,predicted d,d", 237));
    assert_eq!(rows[0][0], 5.0);
    let mean_square: f64 = rows.iter().map(|row| (row[1] - row[2]).powi(2)).sum::<f64>() / 237.0;
    let rmse = told(&said, "RMSE");
    assert!((rmse / mean_square.sqrt() - 1.0).abs() < 1e-3, "{rmse} {mean_square}");
    // Another layout, told by an option.
    fs::write(path.join("new.csv"), series().replace(',', ";")).unwrap();
    let said = refused(path, &["predict", "run", "new.csv"]);
    assert!(said.contains("--set"), "{said}");
    let layout = ["--set", "data.source.csv.delimiter=;"];
    let (again, _) = succeed(path, &[&["predict", "run", "new.csv"][..], &layout].concat());
    assert_eq!(again, text);
}

/// Writes numbers of double precision as NumPy does.
fn write_npy(path: &Path, shape: [usize; 2], values: impl Iterator<Item = f64>) {
    let [rows, columns] = shape;
    let mut header =
        format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({rows}, {columns}), }}");
    while (header.len() + 11) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let length = u16::try_from(header.len()).unwrap().to_le_bytes();
    let data: Vec<u8> = values.flat_map(f64::to_le_bytes).collect();
    let bytes = [b"\x93NUMPY\x01\x00", length.as_slice(), header.as_bytes(), &data].concat();
    fs::write(path, bytes).unwrap();
}

#[test]
fn arrays_are_answered_by_a_network_of_arrays() {
    let source = r#"data.source.arrays = { features = "x.npy", targets = "y.npy" }"#;
    let folder = lab(source, 2);
    let path = folder.path();
    write_npy(&path.join("x.npy"), [80, 3], samples().into_iter().flat_map(|s| [s[0], s[1], s[2]]));
    write_npy(&path.join("y.npy"), [80, 2], samples().into_iter().flat_map(|s| [s[3], s[4]]));
    succeed(path, &["train", "recipe.toml", "--out", "run", "--rule", "ideal"]);
    let (text, _) = succeed(path, &["predict", "run", "x.npy"]);
    let (header, rows) = numbers(&text);
    assert_eq!(header, "sample,predicted y[0],predicted y[1]");
    assert_eq!(rows.len(), 80);
    assert!(rows.iter().all(|row| (295.0..305.0).contains(&row[1]) && row[2].abs() < 1e-8));
}
