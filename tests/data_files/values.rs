//! Target values in tables: standardisation, division of the samples, and refused files.

use std::fs;
use std::path::Path;

use twinprop::data::{
    CsvConfig, DataConfig, Dataset, FeatureScaling, Locator, Samples, Schema, Split, Targets,
    read_samples,
};

/// Reads `text` with further options of `data.source.csv`, and with `split` (`""` for the default).
fn load(text: &str, options: &str, split: &str) -> Result<Split, String> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("table.csv"), text).unwrap();
    load_in(folder.path(), options, split)
}

fn load_in(folder: &Path, options: &str, split: &str) -> Result<Split, String> {
    let text = format!("source.csv = {{ path = \"table.csv\", {options} }}\n{split}");
    let config: DataConfig = toml::from_str(&text).map_err(|error| error.to_string())?;
    config.load(&Locator::new(folder, None), 1).map_err(|error| error.to_string())
}

/// A quantity `y`, one label `hot` of 0 and 1, and a target `k` that is always 7.1, of sixteen samples.
fn table() -> String {
    let rows = (0..16).map(|row| {
        let y = 300.1 + 0.3 * f64::from(row * row);
        format!("{row},{},{y},{},7.1\n", row % 3, u8::from(row > 5))
    });
    format!("a,b,y,hot,k\n{}", rows.collect::<String>())
}

const TARGETS: &str = "targets = [\"y\", \"hot\", \"k\"]";

fn values(half: &Dataset) -> &nalgebra::DMatrix<f32> {
    match &half.targets {
        Targets::Values(values) => values,
        other => panic!("{other:?}"),
    }
}

/// Mean and standard deviation by their formulas.
fn moments(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares = values.iter().map(|value| (value - mean) * (value - mean));
    (mean, (squares.sum::<f64>() / count).sqrt())
}

#[test]
fn targets_are_standardised_by_the_training_samples_in_double_precision() {
    let split = load(&table(), TARGETS, "split.ordered = { test_fraction = 0.25 }").unwrap();
    assert_eq!(split.schema.feature_names().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(split.schema.target_names().collect::<Vec<_>>(), ["y", "hot", "k"]);
    assert!(split.classes.is_empty() && split.schema.label.is_none());
    assert_eq!((split.train.len(), split.test.len()), (12, 4));
    let y: Vec<f64> = (0..16).map(|row| 300.1 + 0.3 * f64::from(row * row)).collect();
    let (offset, unit) = moments(&y[..12]);
    let scalings: Vec<FeatureScaling> =
        split.schema.targets.iter().map(|target| target.scaling).collect();
    assert_eq!(
        scalings,
        [
            FeatureScaling { offset, unit },
            FeatureScaling { offset: 0.0, unit: 1.0 },
            FeatureScaling { offset: 7.1, unit: 1.0 }
        ]
    );
    for (half, first) in [(&split.train, 0), (&split.test, 12)] {
        for (sample, column) in values(half).column_iter().enumerate() {
            let row = first + sample;
            assert_eq!(column[0], ((y[row] - offset) / unit) as f32);
            assert_eq!(column[1], f32::from(u8::from(row > 5)));
            assert_eq!(column[2], 0.0);
        }
    }
    assert_eq!(split.warnings.len(), 1, "{:?}", split.warnings);
    assert!(split.warnings[0].contains("the target `k` is the same"), "{:?}", split.warnings);
    // Back in the file's units, up to the rounding of f32.
    let back = split.schema.in_file_units(values(&split.test));
    for (sample, column) in back.column_iter().enumerate() {
        assert!((column[0] - y[12 + sample]).abs() < 1e-6 * unit.max(column[0]), "{column}");
        assert_eq!((column[1], column[2]), (1.0, 7.1));
    }
}

#[test]
fn a_deviation_is_the_same_in_any_unit() {
    let values = [0.1, 0.7, -0.3, 12.9, 4.0];
    let expected = FeatureScaling::standard(values.into_iter());
    assert_eq!((expected.offset, expected.unit), moments(&values));
    for unit in [2f64.powi(1018), 2f64.powi(-1000), 2f64.powi(40)] {
        let found = FeatureScaling::standard(values.into_iter().map(|value| value * unit));
        assert_eq!((found.offset / unit, found.unit / unit), (expected.offset, expected.unit));
    }
    let wide = FeatureScaling::standard([-f64::MAX, f64::MAX].into_iter());
    assert_eq!((wide.apply(-f64::MAX), wide.apply(f64::MAX)), (-1.0, 1.0));
    let tiny = FeatureScaling::standard([0.0, 5e-324, 0.0].into_iter());
    assert!(tiny.unit > 0.0 && tiny.apply(5e-324).is_finite());
    for (values, offset) in [([0.1; 3], 0.1), ([0.0; 3], 0.0), ([1.0; 3], 0.0), ([1e300; 3], 1e300)]
    {
        let constant = FeatureScaling::standard(values.into_iter());
        assert_eq!(constant, FeatureScaling { offset, unit: 1.0 }, "{values:?}");
    }
}

#[test]
fn samples_are_divided_with_and_without_classes() {
    let firsts = |half: &Dataset| half.features.row(0).iter().copied().collect::<Vec<_>>();
    let counted = |split: &Split| (firsts(&split.train), firsts(&split.test));
    let by = |split: &str| load(&table(), TARGETS, split).unwrap();
    let random = counted(&by("split.random = { test_fraction = 0.25 }"));
    assert_eq!((random.0.len(), random.1.len()), (12, 4));
    assert!(random.0.is_sorted() && random.1.is_sorted() && random.1 != [12.0, 13.0, 14.0, 15.0]);
    let mut all = [random.0.clone(), random.1.clone()].concat();
    all.sort_by(f32::total_cmp);
    assert_eq!(all, (0..16).map(|row| row as f32).collect::<Vec<_>>());
    // Without classes, the default takes the same share at random.
    assert_eq!(counted(&by("")), random);
    assert_eq!(counted(&by("split.stratified = { test_fraction = 0.25 }")), random);
    let ordered = counted(&by("split.ordered = { test_fraction = 0.125 }"));
    assert_eq!(ordered.1, [14.0, 15.0]);
    let column = by("split.by_column = { column = \"b\", test = [\"2\"] }");
    assert_eq!(counted(&column).1, [2.0, 5.0, 8.0, 11.0, 14.0]);
    assert_eq!(column.schema.feature_names().collect::<Vec<_>>(), ["a"]);
    // Samples with classes can be divided in every way.
    let ignored = "label = \"hot\", ignore = [\"y\", \"k\"]";
    let classes = load(&table(), ignored, "split.random = { test_fraction = 0.25 }").unwrap();
    assert_eq!(counted(&classes), random);
    assert_eq!(classes.classes, ["0", "1"]);
    let unknown = load(&table(), ignored, "split.ordered = { test_fraction = 0.7 }").unwrap_err();
    assert!(unknown.contains("one class"), "{unknown}");
    // The samples that the first version drew; they must not change.
    let stratified = load(&table(), ignored, "").unwrap();
    assert_eq!(firsts(&stratified.test).len(), 5, "{:?}", firsts(&stratified.test));
}

#[test]
fn faulty_targets_are_refused_with_line_and_column() {
    let table = table();
    let line = |from: &str, to: &str| table.replacen(from, to, 1);
    for (text, options, split, expected) in [
        (table.clone(), "targets = [\"y\"], label = \"hot\"", "", &["label", "targets"][..]),
        (table.clone(), "targets = [\"z\"]", "", &["line 1", "no column `z`"]),
        (table.clone(), "targets = [\"y\", \"y\"]", "", &["`y` is named twice", "targets"]),
        (
            table.clone(),
            "targets = [\"y\"], ignore = [\"y\"]",
            "",
            &["target column `y`", "ignore", "data.source.csv.targets"],
        ),
        (
            table.clone(),
            "targets = [\"y\"], ignore = [\"a\", \"b\", \"hot\", \"k\"]",
            "",
            &["no feature", "targets `y`"],
        ),
        (
            line("300.1,", ","),
            TARGETS,
            "",
            &["line 2, column `y`", "empty cell", "remove the line"],
        ),
        (line("300.1,", "nan,"), TARGETS, "", &["line 2, column `y`", "finite", "`nan`"]),
        (line("300.1,", "inf,"), TARGETS, "", &["line 2, column `y`", "finite"]),
        (line("300.1,", "warm,"), TARGETS, "", &["line 2, column `y`", "`warm`"]),
        (line("a,b,y", "a,y,y"), TARGETS, "", &["columns 2 and 3", "`y`"]),
        (
            table.clone(),
            TARGETS,
            "split.random = { test_fraction = 0.01 }",
            &["too few samples (16)", "data.split.random.test_fraction"],
        ),
        (
            table.clone(),
            TARGETS,
            "split.ordered = { test_fraction = 0.99 }",
            &["too few samples (16)", "data.split.ordered.test_fraction"],
        ),
        (
            table.clone(),
            TARGETS,
            "split.stratified = { test_fraction = 0.01 }",
            &["too few samples (16)", "data.split.stratified.test_fraction"],
        ),
        (table.clone(), TARGETS, "split.random = { test_fraction = 1.0 }", &["below 1"]),
        (table.clone(), TARGETS, "split.ordered = { share = 0.5 }", &["share"]),
    ] {
        let message =
            load(&text, options, split).err().unwrap_or_else(|| panic!("{options} {split}"));
        for part in expected {
            assert!(message.contains(part), "{part} in {message}");
        }
    }
    let overload = line("300.1,", "9.9e37,");
    let split = load(&overload, TARGETS, "").unwrap();
    assert!(
        split.warnings.iter().any(|told| told.contains("line 2, column `y`")),
        "{:?}",
        split.warnings
    );
}

#[test]
fn a_test_file_is_standardised_by_the_training_samples() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("table.csv"), "a,y\n0,2\n1,4\n2,6\n").unwrap();
    fs::write(folder.path().join("test.csv"), "y,a\n8,3\n").unwrap();
    let options = "test = \"test.csv\", targets = [\"y\"]";
    let split = load_in(folder.path(), options, "").unwrap();
    let (mean, deviation) = moments(&[2.0, 4.0, 6.0]);
    assert_eq!(values(&split.test)[(0, 0)], ((8.0 - mean) / deviation) as f32);
    fs::write(folder.path().join("test.csv"), "a,z\n3,8\n").unwrap();
    let message = load_in(folder.path(), options, "").unwrap_err();
    assert!(message.contains("no column `y`"), "{message}");
}

#[test]
fn new_samples_may_have_all_targets_or_none() {
    let schema =
        load(&table(), TARGETS, "split.ordered = { test_fraction = 0.25 }").unwrap().schema;
    let kept = serde_json::to_string(&schema).unwrap();
    let schema: Schema = serde_json::from_str(&kept).unwrap();
    let read = |text: &str| -> Result<Samples, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new.csv");
        fs::write(&path, text).unwrap();
        read_samples(&path, &CsvConfig::default(), &schema).map_err(|error| error.to_string())
    };
    let y = schema.targets[0].scaling;
    let samples = read("k,a,hot,b,y\n7.1,1,1,2,301.5\n8.1,1,0,2,300\n").unwrap();
    let expected = [y.apply(301.5), 1.0, 0.0, y.apply(300.0), 0.0, 1.0];
    assert_eq!(samples.targets.as_ref().unwrap().as_slice(), expected);
    assert_eq!((samples.labels, samples.features.shape()), (None, (2, 2)));
    assert!(samples.warnings.is_empty(), "{:?}", samples.warnings);
    for text in ["a,b\n1,2\n", "a,b,y,hot,k\n1,2,,,\n2,3,,,\n"] {
        assert_eq!(read(text).unwrap().targets, None, "{text}");
    }
    for (text, expected) in [
        ("a,b,y,k\n1,2,3,4\n", "has the target `y`, but not `hot`"),
        ("a,b,y,hot,k\n1,2,3,1,7\n1,2,,1,7\n", "line 3, column `y`"),
        ("a,b,y,hot,k\n1,2,x,1,7\n", "line 2, column `y`"),
    ] {
        let message = read(text).unwrap_err();
        assert!(message.contains(expected), "{expected} in {message}");
    }
}

#[test]
fn recipes_and_schemas_with_classes_are_written_as_before() {
    let config: DataConfig = toml::from_str("source.csv = { path = \"table.csv\" }").unwrap();
    let written = toml::to_string(&config).unwrap();
    let expected = "every = 1\n\n[source.csv]\npath = \"table.csv\"\n\n[split.stratified]\ntest_fraction = 0.25\n";
    assert_eq!(written, expected);
    let split = load("a,w\n1,x\n2,y\n3,x\n4,y\n", "", "split.stratified = { test_fraction = 0.5 }");
    let schema = serde_json::to_string(&split.unwrap().schema).unwrap();
    let feature = "{\"name\":\"a\",\"scaling\":{\"offset\":0.0,\"unit\":1.0}}";
    let expected =
        format!("{{\"features\":[{feature}],\"classes\":[\"x\",\"y\"],\"label\":\"w\"}}");
    assert_eq!(schema, expected);
}

#[test]
fn values_in_memory_are_named_and_not_scaled() {
    let half = |samples: usize| {
        let values = nalgebra::DMatrix::from_element(2, samples, 3.5f32);
        Dataset::new(nalgebra::DMatrix::zeros(4, samples), values)
    };
    let split = Split::new(half(3), half(1));
    assert!(split.classes.is_empty());
    assert_eq!(split.schema.target_names().collect::<Vec<_>>(), ["target 1", "target 2"]);
    assert_eq!(split.schema.in_file_units(values(&split.test)).as_slice(), [3.5, 3.5]);
}

#[test]
fn the_json_schema_has_the_keys() {
    let schema = twinprop::experiment::recipe::recipe_schema();
    for key in [
        "targets",
        "random",
        "ordered",
        "arrays",
        "test_features",
        "sequence",
        "inputs",
        "window",
        "stride",
        "ahead",
        "quotes",
    ] {
        assert!(schema.contains(&format!("\"{key}\"")), "{key}");
    }
    let parsed: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let data = &parsed["$defs"]["DataConfig"];
    assert_eq!(data["additionalProperties"], false);
    assert_eq!(data["required"], serde_json::json!(["source"]));
}
