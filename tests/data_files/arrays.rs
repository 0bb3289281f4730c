//! NumPy arrays: every element type, both orders, archives, images.

use std::fs;
use std::path::Path;

use twinprop::data::{DataConfig, FeatureScaling, ImageSize, Locator, Split, Targets};

use crate::numpy::{f8, i8s, npy, npz, text};

/// Eight samples of three features, a target of two values and a class.
pub fn x() -> Vec<f64> {
    (0..24).map(|value| f64::from(value) - 3.0).collect()
}

pub fn arrays() -> Vec<(&'static str, Vec<u8>)> {
    let y: Vec<f64> = (0..16).map(|value| f64::from(value * value)).collect();
    vec![
        ("x", f8(&[8, 3], &x())),
        ("y", f8(&[8, 2], &y)),
        ("c", i8s(&[10, 2, 10, 2, 10, 2, 10, 2])),
    ]
}

pub const ORDERED: &str = "split.ordered = { test_fraction = 0.25 }";
pub const FROM_FILE: &str = "file = \"data.npz\", features = \"x\", targets = \"y\"";

pub fn load_in(folder: &Path, options: &str, more: &str) -> Result<Split, String> {
    let text = format!("source.arrays = {{ {options} }}\n{more}");
    let config: DataConfig = toml::from_str(&text).map_err(|error| error.to_string())?;
    config.load(&Locator::new(folder, None), 1).map_err(|error| error.to_string())
}

pub fn load(files: &[(&str, Vec<u8>)], options: &str, more: &str) -> Result<Split, String> {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    load_in(folder.path(), options, more)
}

fn values(targets: &Targets) -> &nalgebra::DMatrix<f32> {
    match targets {
        Targets::Values(values) => values,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_array_is_the_same_in_every_type_and_order() {
    // Whole numbers that every type holds; negative ones for signed types.
    let numbers: Vec<i8> = (0..12).collect();
    let of = |make: &dyn Fn(i8) -> Vec<u8>| -> Vec<u8> {
        numbers.iter().copied().flat_map(make).collect()
    };
    let half = |value: i8| -> [u8; 2] {
        // 1 has the exponent 15.
        let (mut exponent, mut fraction) = (15u16, f64::from(value));
        while fraction >= 2.0 {
            (exponent, fraction) = (exponent + 1, fraction / 2.0);
        }
        let bits = if value == 0 { 0 } else { exponent << 10 | ((fraction - 1.0) * 1024.0) as u16 };
        bits.to_le_bytes()
    };
    let little: Vec<(&str, Vec<u8>)> = vec![
        ("f2", of(&|v| half(v).to_vec())),
        ("f4", of(&|v| f32::from(v).to_le_bytes().to_vec())),
        ("f8", of(&|v| f64::from(v).to_le_bytes().to_vec())),
        ("i1", of(&|v| v.to_le_bytes().to_vec())),
        ("i2", of(&|v| i16::from(v).to_le_bytes().to_vec())),
        ("i4", of(&|v| i32::from(v).to_le_bytes().to_vec())),
        ("i8", of(&|v| i64::from(v).to_le_bytes().to_vec())),
        ("u1", of(&|v| vec![v as u8])),
        ("u2", of(&|v| (v as u16).to_le_bytes().to_vec())),
        ("u4", of(&|v| (v as u32).to_le_bytes().to_vec())),
        ("u8", of(&|v| (v as u64).to_le_bytes().to_vec())),
    ];
    let expected: Vec<f32> = numbers.iter().map(|&value| f32::from(value)).collect();
    let target = ("y.npy", f8(&[4], &[0.0, 1.0, 0.0, 1.0]));
    for (name, bytes) in &little {
        let width = bytes.len() / numbers.len();
        let big: Vec<u8> = bytes.chunks(width).flat_map(|one| one.iter().rev().copied()).collect();
        // (4, 3) in Fortran order: the first axis changes fastest.
        let turned: Vec<u8> = (0..12)
            .flat_map(|place| bytes[(place % 4 * 3 + place / 4) * width..][..width].to_vec())
            .collect();
        let sign = if width == 1 { '|' } else { '<' };
        for (descr, fortran, data) in [
            (format!("'{sign}{name}'"), false, bytes),
            (format!("'{}{name}'", if width == 1 { '|' } else { '>' }), false, &big),
            (format!("'{sign}{name}'"), true, &turned),
        ] {
            let file = ("x.npy", npy(&descr, fortran, &[4, 3], data));
            let options = "features = \"x.npy\", targets = \"y.npy\"";
            let split = load(&[file, target.clone()], options, ORDERED).unwrap();
            assert_eq!(split.train.features.as_slice(), &expected[..9], "{descr} {fortran}");
            assert_eq!(split.test.features.as_slice(), &expected[9..], "{descr} {fortran}");
        }
    }
    let truths = npy("'|b1'", false, &[4, 1], &[0, 1, 1, 0]);
    let split =
        load(&[("x.npy", truths), target], "features = \"x.npy\", targets = \"y.npy\"", ORDERED);
    assert_eq!(split.unwrap().train.features.as_slice(), [0.0, 1.0, 1.0]);
}

#[test]
fn archives_and_files_give_the_same_samples() {
    let stored = load(&[("data.npz", npz(&arrays(), false))], FROM_FILE, ORDERED).unwrap();
    let deflated = load(&[("data.npz", npz(&arrays(), true))], FROM_FILE, ORDERED).unwrap();
    assert_eq!(stored, deflated);
    let files: Vec<(String, Vec<u8>)> =
        arrays().into_iter().map(|(name, bytes)| (format!("{name}.npy"), bytes)).collect();
    let files: Vec<(&str, Vec<u8>)> =
        files.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
    let apart = load(&files, "features = \"x.npy\", targets = \"y.npy\"", ORDERED).unwrap();
    assert_eq!(stored, apart);
    assert_eq!(stored.schema.feature_names().collect::<Vec<_>>(), ["x[0]", "x[1]", "x[2]"]);
    assert_eq!(stored.schema.target_names().collect::<Vec<_>>(), ["y[0]", "y[1]"]);
    assert_eq!(stored.train.features.column(1).as_slice(), [0.0, 1.0, 2.0]);
    let first: Vec<f64> = (0..6).map(|sample| f64::from(4 * sample * sample)).collect();
    let scaling = FeatureScaling::standard(first.iter().copied());
    assert_eq!(stored.schema.targets[0].scaling, scaling);
    assert_eq!(values(&stored.test.targets)[(0, 1)], scaling.apply(196.0));
    // Divided at random like a table of the same samples.
    let random = load(&[("data.npz", npz(&arrays(), false))], FROM_FILE, "").unwrap();
    assert_eq!((random.train.len(), random.test.len()), (6, 2));
    let mut all: Vec<f32> = [&random.train, &random.test]
        .iter()
        .flat_map(|half| half.features.row(0).iter().copied().collect::<Vec<_>>())
        .collect();
    all.sort_by(f32::total_cmp);
    assert_eq!(all, (0..8).map(|sample| 3.0 * sample as f32 - 3.0).collect::<Vec<_>>());
}

#[test]
fn numbers_in_single_precision_are_divided_as_those_in_double_precision() {
    let single: Vec<u8> = x().iter().flat_map(|&value| (value as f32).to_le_bytes()).collect();
    let mut both = arrays();
    both.push(("s", npy("'<f4'", false, &[8, 3], &single)));
    let archive = [("data.npz", npz(&both, false))];
    for more in ["", "split.random = { test_fraction = 0.5 }", ORDERED] {
        let double = load(&archive, FROM_FILE, more).unwrap();
        let single = load(&archive, &FROM_FILE.replace("\"x\"", "\"s\""), more).unwrap();
        assert_eq!(single.train.features, double.train.features);
        assert_eq!(single.test.features, double.test.features);
    }
    // Values that f32 cannot square are scaled to [−1, 1] in either precision.
    let small: Vec<u8> =
        (0..8).flat_map(|sample| (1e-30f32 * sample as f32).to_le_bytes()).collect();
    let files = [("x.npy", npy("'<f4'", false, &[8], &small)), ("y.npy", f8(&[8], &x()[..8]))];
    let split = load(&files, "features = \"x.npy\", targets = \"y.npy\"", ORDERED).unwrap();
    let (low, high) = split.train.extremes();
    assert!((low[0] + 1.0).abs() < 1e-6 && (high[0] - 1.0).abs() < 1e-6, "{low:?} {high:?}");
}

#[test]
fn classes_are_numbers_or_text() {
    let from = |classes: Vec<u8>| {
        let files = [("x.npy", f8(&[8, 3], &x())), ("c.npy", classes)];
        load(
            &files,
            "features = \"x.npy\", classes = \"c.npy\"",
            "split.ordered = { test_fraction = 0.25 }",
        )
    };
    let names = |classes: Vec<u8>| from(classes).unwrap().classes;
    assert_eq!(names(i8s(&[10, 2, -1, 10, 2, 2, 10, 2])), ["-1", "2", "10"]);
    let split = from(i8s(&[10, 2, 10, 10, 2, 2, 10, 2])).unwrap();
    assert_eq!(split.train.targets.classes(), [1, 0, 1, 1, 0, 0]);
    assert_eq!(split.test.targets.classes(), [1, 0]);
    let words = ["oak", "ash", "oak", "elm", "ash", "oak", "elm", "ash"];
    for big in [false, true] {
        assert_eq!(names(text(big, &words)), ["ash", "elm", "oak"]);
    }
    let bytes = words.iter().flat_map(|word| format!("{word}\0").into_bytes()).collect::<Vec<_>>();
    assert_eq!(names(npy("'|S4'", false, &[8], &bytes)), ["ash", "elm", "oak"]);
    assert_eq!(names(f8(&[8, 1], &[0.0, -0.0, 1.0, 2.5, 0.0, 1.0, 1.0, 0.0])), ["0", "1", "2.5"]);
    assert_eq!(names(npy("'|b1'", false, &[8], &[0, 1, 0, 1, 0, 1, 0, 1])), ["0", "1"]);
    for (classes, expected) in [
        (i8s(&[1, 1, 1, 1, 1, 1, 1, 1]), &["one class", "`1`"][..]),
        (i8s(&[1, 2, 1, 2, 1, 2, 1, 3]), &["`c` [7]", "the class `3`"]),
        (i8s(&[1, 2, 1]), &["8 samples", "`c` has 3"]),
        (f8(&[8, 2], &x()[..16]), &["[8, 2]", "one class"]),
        (f8(&[8], &[f64::NAN; 8]), &["[0] is NaN"]),
        (text(false, &["a", "b", "", "a", "b", "a", "b", "a"]), &["the class [2]", "missing"]),
        (
            text(false, &["a", "b", "nan", "a", "b", "a", "b", "a"]),
            &["the class [2] is missing (`nan`)"],
        ),
    ] {
        let message = from(classes).unwrap_err();
        for part in expected {
            assert!(message.contains(part), "{part} in {message}");
        }
    }
}

#[test]
fn test_arrays_are_the_test_samples() {
    let mut all = arrays();
    all.push(("tx", f8(&[2, 3], &x()[..6])));
    all.push(("ty", f8(&[2, 2], &[1.0, 2.0, 3.0, 4.0])));
    all.push(("tc", i8s(&[2, 10])));
    all.push(("narrow", f8(&[2, 2], &[0.0; 4])));
    let archive = [("data.npz", npz(&all, true))];
    let options = format!("{FROM_FILE}, test_features = \"tx\", test_targets = \"ty\"");
    let split = load(&archive, &options, "").unwrap();
    assert_eq!((split.train.len(), split.test.len()), (8, 2));
    assert_eq!(split.test.features.as_slice(), [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0]);
    let expected = split.schema.targets[1].scaling.apply(4.0);
    assert_eq!(values(&split.test.targets)[(1, 1)], expected);
    let classes = "file = \"data.npz\", features = \"x\", classes = \"c\", test_features = \"tx\"";
    let split = load(&archive, &format!("{classes}, test_classes = \"tc\""), "").unwrap();
    assert_eq!(split.test.targets.classes(), [0, 1]);
    for (options, expected) in [
        (classes.to_owned(), "test_features, and test_targets or test_classes"),
        (format!("{classes}, test_targets = \"ty\""), "test_features, and test_targets"),
        (format!("{FROM_FILE}, test_targets = \"ty\""), "test_features, and test_targets"),
        (
            options.replace("\"tx\"", "\"narrow\""),
            "the shape [2], but the training samples have [3]",
        ),
        (options.replace("\"ty\"", "\"y\""), "2 samples, but `y` has 8"),
    ] {
        let message = load(&archive, &options, "").unwrap_err();
        assert!(message.contains(expected), "{expected} in {message}");
    }
}

#[test]
fn images_keep_their_size() {
    let pixels: Vec<u8> = (0..8 * 12).collect();
    let y = ("y.npy", f8(&[8], &x()[..8]));
    let options = "features = \"x.npy\", targets = \"y.npy\"";
    for shape in [&[8, 3, 4][..], &[8, 1, 3, 4], &[8, 3, 4, 1]] {
        let files = [("x.npy", npy("'|u1'", false, shape, &pixels)), y.clone()];
        let split = load(&files, options, ORDERED).unwrap();
        assert_eq!(split.image, Some(ImageSize { rows: 3, columns: 4 }), "{shape:?}");
        assert_eq!(split.schema.features[5].name, "row 1, column 1");
        let every = load(&files, options, &format!("every = 2\n{ORDERED}")).unwrap();
        assert_eq!(every.image, Some(ImageSize { rows: 2, columns: 2 }));
        assert_eq!(every.train.features.column(0).as_slice(), [0.0, 2.0, 8.0, 10.0]);
        let changed = format!("augment = {{ horizontal_flip = true }}\n{ORDERED}");
        let changed = load(&files, options, &changed).unwrap();
        let batch = changed.training_batch(&[1, 3], 0);
        assert_eq!(batch.targets, split.train.targets.choose(&[1, 3]));
        assert_eq!(batch.features.shape(), (12, 2));
    }
    let files = [("x.npy", npy("'|u1'", false, &[8, 12], &pixels)), y.clone()];
    let split = load(&files, options, ORDERED).unwrap();
    assert_eq!(split.image, None);
    let message = load(&files, options, "every = 2").unwrap_err();
    assert!(message.contains("no images"), "{message}");
    let shares: Vec<f64> = pixels.iter().map(|&pixel| f64::from(pixel) / 255.0).collect();
    let files = [("x.npy", f8(&[8, 3, 4], &shares)), y];
    let message = load(&files, options, "augment = { horizontal_flip = true }").unwrap_err();
    assert!(message.contains("0 to 255"), "{message}");
    let names = load(&files, options, ORDERED).unwrap();
    assert_eq!(names.schema.features[11].name, "row 2, column 3");
}

#[test]
fn a_constant_target_gives_a_warning() {
    let files = [("x.npy", f8(&[8, 3], &x())), ("y.npy", f8(&[8, 2], &[4.0; 16]))];
    let split = load(&files, "features = \"x.npy\", targets = \"y.npy\"", "").unwrap();
    assert_eq!(split.warnings.len(), 2);
    assert!(split.warnings[1].contains("`y[1]` is the same"), "{:?}", split.warnings);
    assert_eq!(split.schema.targets[0].scaling, FeatureScaling { offset: 4.0, unit: 1.0 });
}

#[test]
fn a_recipe_stores_absolute_paths_of_its_arrays() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().canonicalize().unwrap();
    for (name, bytes) in arrays() {
        fs::write(here.join(format!("{name}.npy")), bytes).unwrap();
    }
    fs::write(here.join("data.npz"), npz(&arrays(), false)).unwrap();
    let absolute = |text: &str| {
        let mut config: DataConfig = toml::from_str(text).unwrap();
        config.source.make_absolute(&here, None).unwrap();
        toml::to_string(&config.source).unwrap()
    };
    let found = absolute("source.arrays = { features = \"x.npy\", targets = \"y.npy\" }");
    for name in ["x.npy", "y.npy"] {
        assert!(found.contains(here.join(name).to_str().unwrap()), "{found}");
    }
    let found = absolute(&format!("source.arrays = {{ {FROM_FILE} }}"));
    assert!(
        found.contains("features = \"x\"")
            && found.contains(here.join("data.npz").to_str().unwrap())
    );
    let mut config: DataConfig =
        toml::from_str("source.arrays = { features = \"x.npy\", classes = \"no.npy\" }").unwrap();
    config.source.make_absolute(&here, None).unwrap_err();
}
