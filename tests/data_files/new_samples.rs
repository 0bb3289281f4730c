//! New samples for a network that was trained on a table.

use std::fs;

use twinprop::data::{CsvConfig, DataConfig, Locator, Origins, Samples, Schema, read_samples};

const TRAIN: &str = "f,x,band\n200000000000000,0,1\n200000001000000,1,2\n200000002000000,2,10\n200000000000000,3,1\n200000001000000,4,2\n200000002000000,5,10\n";

fn schema() -> Schema {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("train.csv"), TRAIN).unwrap();
    fs::write(folder.path().join("test.csv"), TRAIN).unwrap();
    let config: DataConfig =
        toml::from_str("source.csv = { path = \"train.csv\", test = \"test.csv\" }").unwrap();
    config.load(&Locator::new(folder.path(), None), 1).unwrap().schema
}

fn read(text: &str, options: &CsvConfig, schema: &Schema) -> Result<Samples, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.csv");
    fs::write(&path, text).unwrap();
    read_samples(&path, options, schema).map_err(|error| error.to_string())
}

#[test]
fn samples_are_read_with_and_without_labels_in_any_order_of_columns() {
    let schema = schema();
    assert_eq!(schema.classes, ["1", "2", "10"]);
    let kept = serde_json::to_string(&schema).unwrap();
    let schema: Schema = serde_json::from_str(&kept).unwrap();
    for (text, labels, line) in [
        ("f,x\n200000002000000,7\n", None, 2),
        ("x,f\n7,200000002000000\n", None, 2),
        ("who,x,f,band\n\"a, b\",7,200000002000000,10.0\n", Some(vec![2]), 2),
        ("band,f,x\n\n2,200000002000000,7\n", Some(vec![1]), 3),
        ("f,x,band\n200000002000000,7,\n", None, 2),
    ] {
        let samples = read(text, &CsvConfig::default(), &schema).unwrap();
        assert_eq!(samples.features.as_slice(), [1.0, 7.0], "{text}");
        let found = (samples.labels, samples.origins);
        assert_eq!(found, (labels, Origins::Lines(vec![line])), "{text}");
    }
    let options = CsvConfig { delimiter: ';', decimal: ',', ..CsvConfig::default() };
    let samples = read("x;f\n7,5;200000000000000\n", &options, &schema).unwrap();
    assert_eq!(samples.features.as_slice(), [-1.0, 7.5]);
}

#[test]
fn an_error_names_what_the_training_did_not_have() {
    for (text, expected) in [
        ("f,band\n1,2\n", "`x`"),
        ("f,x,band\n1,2,3\n", "line 2: the class `3`"),
        ("f,x,band\n1,2,10\n1,2,\n", "line 3: the label `band` is empty"),
        ("f,x,x\n1,2,3\n", "columns 2 and 3"),
        ("f,x\n1,nan\n", "line 2, column `x`"),
        ("f;x\n1;2\n", "delimiter"),
        ("200000000000000,7\n", "no `f`"),
    ] {
        let message = read(text, &CsvConfig::default(), &schema()).unwrap_err();
        assert!(message.contains(expected), "{expected} in {message}");
    }
}
