//! Tables: each is read, or refused with the line and the option to set.

use std::fs;

use twinprop::data::{DataConfig, Locator, Split};

/// Reads `bytes` with further options of `data.source.csv`.
fn load(bytes: &[u8], options: &str) -> Result<Split, String> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("table.csv"), bytes).unwrap();
    load_in(folder.path(), options)
}

fn load_in(folder: &std::path::Path, options: &str) -> Result<Split, String> {
    let text = format!("source.csv = {{ path = \"table.csv\" {options} }}");
    let config: DataConfig = toml::from_str(&text).map_err(|error| error.to_string())?;
    config.load(&Locator::new(folder, None), 1).map_err(|error| error.to_string())
}

/// A table of two features, eight samples and two classes, below `header`.
fn table(header: &str) -> String {
    let rows = (0..8).map(|row| format!("{}.5,{row},{}\n", row * row, ["oak", "ash"][row % 2]));
    format!("{header}\n{}", rows.collect::<String>())
}

fn plain() -> String {
    table("a,b,wood")
}

/// Features of all samples, sorted, to be independent of the split.
fn values(split: &Split) -> Vec<Vec<f32>> {
    let mut all: Vec<Vec<f32>> = [&split.train, &split.test]
        .iter()
        .flat_map(|half| half.features.column_iter().map(|column| column.iter().copied().collect()))
        .collect();
    all.sort_by(|a: &Vec<f32>, b| a.partial_cmp(b).unwrap());
    all
}

fn utf16(text: &str, big: bool, mark: bool) -> Vec<u8> {
    let units = mark.then_some(0xfeff).into_iter().chain(text.encode_utf16());
    units.flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
}

#[test]
fn one_table_is_the_same_however_it_is_written() {
    let plain = plain();
    let expected = values(&load(plain.as_bytes(), "").unwrap());
    assert_eq!(expected.len(), 8);
    let semicolons = plain.replace(',', ";");
    let european = semicolons.replace('.', ",");
    let quoted: String =
        plain.lines().map(|line| format!("\"{}\"\n", line.replace(',', "\",\""))).collect();
    let none = "";
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("CR LF", plain.replace('\n', "\r\n").into(), none),
        ("CR", plain.replace('\n', "\r").into(), none),
        ("CR and a last LF", (plain.trim_end().replace('\n', "\r") + "\n").into(), none),
        ("no last line feed", plain.trim_end().into(), none),
        ("empty lines", plain.replace('\n', "\n\n").into(), none),
        ("spaces", plain.replace(',', " , ").into(), none),
        ("quotes", quoted.clone().into(), none),
        ("spaces before quotes", quoted.replace("\",", "\" , ").into(), none),
        ("UTF-8 with mark", format!("\u{feff}{plain}").into(), none),
        ("UTF-8 with mark and quotes", format!("\u{feff}{quoted}").into(), none),
        ("UTF-16 LE", utf16(&plain, false, true), none),
        ("UTF-16 BE", utf16(&plain, true, true), none),
        ("UTF-16 LE without mark", utf16(&plain, false, false), none),
        ("UTF-16 BE without mark", utf16(&plain, true, false), none),
        ("semicolons", semicolons.clone().into(), ", delimiter = \";\""),
        ("tabs", plain.replace(',', "\t").into(), ", delimiter = \"\\t\""),
        ("bars", plain.replace(',', "|").into(), ", delimiter = \"|\""),
        ("aligned by spaces", plain.replace(',', "   ").into(), ", delimiter = \" \""),
        ("decimal comma", european.into(), ", delimiter = \";\", decimal = \",\""),
        ("decimal comma in quotes", quoted.replace(".5", ",5").into(), ", decimal = \",\""),
        ("comments", plain.replace("\n0.5", "\n# note, a, b, c\n0.5").into(), ", comment = \"#\""),
        ("comment at first", format!("% made by \"hand\n{plain}").into(), ", comment = \"%\""),
        ("lines above", format!("Model,X\n\nPoints,\"4\n{plain}").into(), ", skip_lines = 3"),
        ("no header", plain.split_once('\n').unwrap().1.into(), ", header = false"),
        (
            "label first",
            plain
                .lines()
                .map(|line| {
                    let (features, label) = line.rsplit_once(',').unwrap();
                    format!("{label},{features}\n")
                })
                .collect::<String>()
                .into(),
            ", label = \"wood\"",
        ),
        (
            "text column",
            plain
                .lines()
                .map(|line| format!("{line},\"5 \"\" in\"\n"))
                .collect::<String>()
                .replacen("\"5 \"\" in\"", "note", 1)
                .into(),
            ", label = \"wood\", ignore = [\"note\"]",
        ),
        (
            "inches",
            plain
                .lines()
                .map(|line| format!("\"5 in,{line}\n"))
                .collect::<String>()
                .replacen("\"5 in", "note", 1)
                .into(),
            ", ignore = [\"note\"], quotes = false",
        ),
        (
            "unnamed column",
            plain
                .lines()
                .map(|line| format!("7,{line}\n"))
                .collect::<String>()
                .replacen('7', "", 1)
                .into(),
            ", ignore = [\"\"]",
        ),
    ];
    for (name, bytes, options) in cases {
        let split = load(&bytes, options).unwrap_or_else(|message| panic!("{name}: {message}"));
        assert_eq!(values(&split), expected, "{name}");
        assert_eq!(split.classes, ["ash", "oak"], "{name}");
        assert!(split.warnings.is_empty(), "{name}");
    }
}

#[test]
fn a_misread_table_is_refused_with_the_line_and_the_option() {
    let plain = plain();
    let replaced = |from: &str, to: &str| -> Vec<u8> { plain.replacen(from, to, 1).into() };
    let headerless = plain.split_once('\n').unwrap().1;
    // R's format.
    let numbered: String = std::iter::once("a,b,wood\n".to_owned())
        .chain(headerless.lines().enumerate().map(|(row, line)| format!("\"{row}\",{line}\n")))
        .collect();
    let cases: Vec<(Vec<u8>, &str, &[&str])> = vec![
        (plain.replace(',', ";").into(), "", &["line 1", "delimiter = \";\""]),
        (plain.replace(',', ";").replace('.', ",").into(), "", &["delimiter = \";\""]),
        (plain.replace(',', "\t").into(), "", &["delimiter = \"\\t\""]),
        (plain.replace(',', "|").into(), "", &["delimiter = \"|\""]),
        (plain.clone().into(), ", delimiter = \";\"", &["delimiter = \",\""]),
        (plain.clone().into(), ", delimiter = \"a\"", &["cannot divide"]),
        (plain.clone().into(), ", decimal = \"x\"", &["decimal"]),
        (plain.clone().into(), ", comment = \"\"", &["comment"]),
        (format!("Model,X\nPoints,4\n\n{plain}").into(), "", &["line 1", "skip_lines = 3"]),
        (format!("Model X\n{plain}").into(), "", &["skip_lines = 1"]),
        (format!("# Model, X\n{plain}").into(), "", &["comment = \"#\""]),
        (replaced("\n1.5", "\n# paused\n1.5"), "", &["line 3", "comment = \"#\""]),
        (replaced("4.5,2,oak", "4.5,2,\"oak"), "", &["line 4", "quote"]),
        (replaced("a,b,wood", "a,b,\"wood"), "", &["line 1", "quote"]),
        (replaced("49.5,7,ash", "49.5,7,\"ash"), "", &["line 9", "quote"]),
        (replaced("1.5,1,ash", "1.5,1,\"5\" ash"), "", &["line 3", "closing quote"]),
        (plain.replace("oak", "\"5 in plank").into(), "", &["line 2", "quotes = false"]),
        (headerless.into(), "", &["line 1", "header = false"]),
        (headerless.into(), ", label = \"wood\"", &["line 1", "header = false", "`wood`"]),
        (headerless.replace("oak", "1").replace("ash", "2").into(), "", &["header = false"]),
        (headerless.replace("0.5,0", "0,0").into(), "", &["header = false"]),
        (table("a,a,wood").into(), "", &["columns 1 and 2", "`a`"]),
        (table("wood,b,wood").into(), "", &["columns 1 and 3", "`wood`"]),
        (table("wood,b,wood").into(), ", label = \"wood\"", &["columns 1 and 3"]),
        (table(",b,wood").into(), "", &["column 1", "no name"]),
        (table("a,b,").into(), "", &["column 3", "no name"]),
        (replaced("1.5,1,ash", "1.5,1,NaN"), "", &["line 3", "`wood`", "NaN"]),
        (replaced("1.5,1,ash", "1.5,1,N/A"), "", &["line 3", "N/A"]),
        (replaced("1.5,1,ash", "1.5,1,-inf"), "", &["line 3", "-inf"]),
        (replaced("1.5,1,ash", "1.5,1,"), "", &["line 3", "empty"]),
        (replaced("1.5,1,ash", "nan,1,ash"), "", &["line 3", "`a`", "finite"]),
        (replaced("1.5,1,ash", "1.5,inf,ash"), "", &["line 3", "`b`", "finite"]),
        (replaced("1.5,1,ash", "1e999,1,ash"), "", &["line 3", "`a`", "finite"]),
        (replaced("1.5,1,ash", "\"1,5\",1,ash"), "", &["line 3", "decimal"]),
        (replaced("1.5,1,ash", "1,5,1,ash"), "", &["line 3", "4 values"]),
        (replaced("1.5,1,ash", "1.5,ash"), "", &["line 3", "2 values"]),
        (plain.replace("ash", "oak").into(), "", &["`wood`", "one class", "label"]),
        (plain.clone().into(), ", label = \"w\"", &["no column `w`", "`wood`"]),
        (plain.clone().into(), ", ignore = [\"wood\"]", &["`wood`", "ignore"]),
        (plain.clone().into(), ", ignore = [\"a\", \"b\"]", &["no feature"]),
        (plain.clone().into(), ", skip_lines = 40", &["empty", "skip_lines"]),
        (Vec::new(), "", &["empty"]),
        (b"a,b,wood\n".to_vec(), "", &["no samples"]),
        (numbered.clone().into(), "", &["line 1", "row names", "ignore = [\"row\"]"]),
        (plain.replace('\n', ",\n").replacen(",\n", "\n", 1).into(), "", &["line 1", "at its end"]),
        (
            plain.replacen("0.5,0", &format!("{},0", "x".repeat(5000)), 1).into(),
            "",
            &["line 2", "xxx…"],
        ),
        (b"\xff\xfe\0\0a\0\0\0".to_vec(), "", &["UTF-32"]),
        (b"a,b,wood\n1,2,h\xeatre\n".to_vec(), "", &["line 2", "UTF-8"]),
        (b"\x1f\x8b\x08".to_vec(), "", &["gzip"]),
        (b"PK\x03\x04xl".to_vec(), "", &["spreadsheet"]),
        (b"a,b,wood\n1,2,\0\n".to_vec(), "", &["line 2", "zero byte"]),
    ];
    for (bytes, options, expected) in cases {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let message =
            load(&bytes, options).err().unwrap_or_else(|| panic!("read: {options}\n{text}"));
        for part in expected {
            assert!(message.contains(part), "{part} in {message}\n{options}\n{text}");
        }
        assert!(message.len() < 700, "{message}");
    }
}

#[test]
fn columns_of_spectra_may_be_named_by_numbers() {
    let split = load(table("400,410.5,wood").as_bytes(), "").unwrap();
    assert_eq!(split.schema.feature_names().collect::<Vec<_>>(), ["400", "410.5"]);
}

#[test]
fn overloads_give_a_warning_with_line_and_column_but_wide_columns_do_not() {
    for (value, told) in [
        ("9.9E+37", true),
        ("-9.9e37", true),
        ("9.91E37", true),
        ("1e38", true),
        ("3.4028235e38", true),
        ("1.7976931348623157e308", true),
        ("1e6", false),
    ] {
        let text = plain().replacen("9.5,3,", &format!("{value},3,"), 1);
        let split = load(text.as_bytes(), "").unwrap();
        assert_eq!(!split.warnings.is_empty(), told, "{value}: {:?}", split.warnings);
        if told {
            let warning = &split.warnings[0];
            assert!(warning.contains("line 5") && warning.contains("`a`"), "{warning}");
            assert!(values(&split).iter().flatten().all(|value| value.is_finite()));
        }
    }
    let wide = plain().replace(".5,", ".5e300,");
    assert!(load(wide.as_bytes(), "").unwrap().warnings.is_empty());
    let many = plain().replace(",3,", ",9.9e37,").replace(".5,", ".9e37,");
    assert!(load(many.replace("9.9e37", "9.91e37").as_bytes(), "").unwrap().warnings.len() <= 6);
}

#[test]
fn close_numbers_keep_their_differences() {
    let rows = |offset: f64, step: f64| -> String {
        (0..9)
            .map(|row| {
                format!(
                    "{},{}\n",
                    offset + step * f64::from(row % 3),
                    ["a", "b", "c"][row as usize % 3]
                )
            })
            .collect()
    };
    for (offset, step) in [
        (193_414_489_032_000.0, 1e6),
        (-2e14, 1.0),
        (1e9, 1.0),
        (0.0, 1e-30),
        (0.0, 1e300),
        (1e-200, 1e-203),
    ] {
        let split = load(format!("f,band\n{}", rows(offset, step)).as_bytes(), "").unwrap();
        let values: Vec<f32> = values(&split).iter().map(|sample| sample[0]).collect();
        for (value, expected) in values.iter().zip([-1.0, -1.0, -1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0])
        {
            assert!((value - expected).abs() < 1e-3, "{offset} {step}: {values:?}");
        }
    }
    // An ordinary column is not scaled.
    let split = load(format!("f,band\n{}", rows(0.0, 1e6)).as_bytes(), "").unwrap();
    assert_eq!(values(&split)[8], [2e6]);
}

#[test]
fn test_samples_are_read_with_the_names_classes_and_scaling_of_the_training() {
    let labels = |a: &str, b: &str| plain().replace("oak", a).replace("ash", b);
    for (train, test, expected) in [
        (labels("1", "2"), labels("1.0", "2.0"), Ok("1 2")),
        (labels("10", "2"), labels("2", "1e1"), Ok("2 10")),
        (labels("1.0", "10"), labels("1", "10"), Ok("1 10")),
        (plain(), "wood,b,a\noak,1,2\n".to_owned(), Ok("ash oak")),
        (labels("1", "2"), labels("1", "3"), Err("line 3: the class `3`")),
        (plain(), labels("oak", "Ash"), Err("`Ash`")),
        (plain(), table("a,c,wood"), Err("`b`")),
        (plain(), table("a,b,tree"), Err("`wood`")),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("table.csv"), train).unwrap();
        fs::write(folder.path().join("test.csv"), test).unwrap();
        match (load_in(folder.path(), ", test = \"test.csv\""), expected) {
            (Ok(split), Ok(classes)) => {
                assert_eq!(split.classes.join(" "), classes);
                let first = split.test.features.column(0);
                let reversed = split.test.len() == 1;
                assert_eq!(first[0], if reversed { 2.0 } else { 0.5 });
            }
            (Err(message), Err(expected)) => assert!(message.contains(expected), "{message}"),
            (found, expected) => panic!("{expected:?}: {found:?}"),
        }
    }
}

#[test]
fn a_split_by_column_needs_values_and_classes_that_occur() {
    let text = "who,x,word\n1,0,a\n1,1,b\n2,2,a\n2,3,b\n3,4,c\n";
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("table.csv"), text).unwrap();
    let load = |tested: &str| {
        let recipe = format!(
            "source.csv = {{ path = \"table.csv\" }}\nsplit.by_column = {{ column = \"who\", test = [{tested}] }}"
        );
        let config: DataConfig = toml::from_str(&recipe).unwrap();
        config.load(&Locator::new(folder.path(), None), 1).map_err(|error| error.to_string())
    };
    assert_eq!(load("\"2.0\"").unwrap().classes, ["a", "b", "c"]);
    for (tested, expected) in
        [("\"3\"", "the class `c`"), ("\"2\", \"5\"", "value 5"), ("\"1\", \"2\"", "one class")]
    {
        let message = load(tested).unwrap_err();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn the_shipped_tables_are_read_exactly_as_f32() {
    for (source, text, label_first) in [
        ("vowels", include_str!("../../src/data/sets/vowels.csv"), 1),
        ("digits", include_str!("../../src/data/sets/digits.csv"), 0),
    ] {
        let config: DataConfig = toml::from_str(&format!("source = \"{source}\"")).unwrap();
        let split = config.load(&Locator::default(), 1).unwrap();
        let mut expected: Vec<Vec<f32>> = text
            .lines()
            .skip(1)
            .map(|line| {
                let cells: Vec<&str> = line.split(',').collect();
                cells[label_first..cells.len() - 1]
                    .iter()
                    .map(|cell| cell.parse().unwrap())
                    .collect()
            })
            .collect();
        expected.sort_by(|a, b| a.partial_cmp(b).unwrap());
        assert_eq!(values(&split), expected, "{source}");
    }
}

#[test]
fn labels_are_numbers_in_the_files_notation() {
    let rows = |labels: [&str; 3]| -> String {
        (0..12).map(|row| format!("{row},5;{};{}\n", row % 5, labels[row % 3])).collect()
    };
    let options = ", delimiter = \";\", decimal = \",\"";
    let classes = |labels| {
        let text = format!("a;b;wood\n{}", rows(labels));
        load(text.as_bytes(), options).unwrap().classes
    };
    assert_eq!(classes(["10,0", "2,5", "1,0"]), ["1", "2.5", "10"]);
    // Two identifiers that are equal numbers in f64.
    let long = ["1234567890123456789", "1234567890123456788", "5"];
    assert_eq!(classes(long), ["1234567890123456788", "1234567890123456789", "5"]);
}
