//! Refused arrays, and arrays of new samples.

use std::fs;
use std::path::Path;

use twinprop::data::{ArraysConfig, Origins, read_arrays};

use crate::arrays::{FROM_FILE, ORDERED, arrays, load, load_in, x};
use crate::numpy::{f8, npy, npz, text};

#[test]
fn a_faulty_array_is_refused_with_its_name_and_the_reason() {
    let y = || ("y.npy", f8(&[8, 1], &x()[..8]));
    let good = f8(&[8, 3], &x());
    let cut = good[..good.len() - 1].to_vec();
    let long = [good.clone(), vec![0]].concat();
    let mut holes = x();
    holes[16] = f64::NAN;
    let mut infinite = x();
    infinite[3] = f64::NEG_INFINITY;
    let raw = |descr: &str, width: usize| npy(descr, false, &[8], &vec![0; 8 * width]);
    for (array, expected) in [
        (cut, &["[8, 3]", "cut short"][..]),
        (good[..60].to_vec(), &["damaged"]),
        (long, &["more follows"]),
        (Vec::new(), &["not an array in NumPy's format"]),
        (b"a,b\n1,2\n3,4\n".to_vec(), &["not an array in NumPy's format"]),
        (npy("'<f8'", false, &[usize::MAX, 2], &[0; 64]), &["cut short"]),
        (npy("'<f8'", false, &[1 << 40], &[0; 64]), &["cut short"]),
        (f8(&[0, 3], &[]), &["empty", "[0, 3]"]),
        (f8(&[8, 0], &[]), &["empty", "[8, 0]"]),
        (f8(&[], &[1.0]), &["one number"]),
        (f8(&[8, 3], &holes), &["[5, 1] is NaN", "finite"]),
        (f8(&[8, 3], &infinite), &["[1, 0] is -inf"]),
        (raw("'|O'", 8), &["Python objects"]),
        (raw("'<c16'", 16), &["complex", "side by side"]),
        (raw("'<M8[s]'", 8), &["times", "seconds"]),
        (raw("'|V3'", 3), &["raw bytes"]),
        (raw("'<f16'", 16), &["64 bits"]),
        (raw("[('a', '<f8')]", 8), &["records"]),
        (text(false, &["a"; 8]), &["text", "only classes"]),
        (npz(&arrays(), false), &["NPZ archive", "data.source.arrays.file"]),
        (f8(&[4, 3], &x()[..12]), &["4 samples, but `y` has 8"]),
    ] {
        let options = "features = \"x.npy\", targets = \"y.npy\"";
        let message = load(&[("x.npy", array), y()], options, "").unwrap_err();
        for part in expected {
            assert!(message.contains(part), "{part} in {message}");
        }
        assert!(message.contains("x.npy") && message.len() < 400, "{message}");
    }
    let whole = npz(&arrays(), false);
    let mut flipped = whole.clone();
    // A byte of `x`'s numbers.
    let place = whole.windows(8).position(|bytes| bytes == (-3f64).to_le_bytes()).unwrap();
    flipped[place] ^= 1;
    let deflated = npz(&arrays(), true);
    for (file, options, expected) in [
        (
            whole.clone(),
            FROM_FILE.replace("\"x\"", "\"z\""),
            &["no array `z`", "`c`, `x`, `y`"][..],
        ),
        (
            whole[..whole.len() / 2].to_vec(),
            FROM_FILE.to_owned(),
            &["not an NPZ archive", "cut short"],
        ),
        (flipped, FROM_FILE.to_owned(), &["array `x`", "checksum", "damaged"]),
        (deflated[..deflated.len() - 30].to_vec(), FROM_FILE.to_owned(), &["cut short"]),
        (
            f8(&[8, 3], &x()),
            FROM_FILE.to_owned(),
            &["not an NPZ archive", "without data.source.arrays.file"],
        ),
        (
            npz(&[("x", npy("'|O'", false, &[8], &[0; 64])), ("y", f8(&[8], &x()[..8]))], false),
            FROM_FILE.to_owned(),
            &["array `x`", "Python objects"],
        ),
        (
            whole.clone(),
            "file = \"data.npz\", features = \"x\"".to_owned(),
            &["targets", "classes"],
        ),
        (whole.clone(), format!("{FROM_FILE}, classes = \"c\""), &["not both"]),
        (whole.clone(), FROM_FILE.replace("data.npz", "none.npz"), &["not found"]),
    ] {
        let message = load(&[("data.npz", file)], &options, "").unwrap_err();
        for part in expected {
            assert!(message.contains(part), "{part} in {message}");
        }
    }
    let by = "split.by_column = { column = \"who\", test = [\"a\"] }";
    let message = load(&[("data.npz", whole)], FROM_FILE, by).unwrap_err();
    assert!(message.contains("no column `who`"), "{message}");
}

#[test]
fn new_samples_are_an_array_or_an_archive() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: Vec<u8>| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    write("data.npz", npz(&arrays(), false));
    let schema = load_in(folder.path(), FROM_FILE, ORDERED).unwrap().schema;
    let options = |file: Option<&str>, features: &str, targets: &str| ArraysConfig {
        file: file.map(Into::into),
        features: features.into(),
        targets: Some(targets.into()),
        ..ArraysConfig::default()
    };
    let one = options(Some("data.npz"), "x", "y");
    let two = options(None, "/old/place/x.npy", "/old/place/y.npy");
    let read = |path: &Path, options: &ArraysConfig, labelled: bool| {
        read_arrays(path, options, 1, None, &schema, labelled).map_err(|error| error.to_string())
    };
    let alone = write("alone.npy", f8(&[2, 3], &x()[..6]));
    let both = write("both.npz", npz(&arrays(), true));
    let single = write("single.npz", npz(&[("arr_0", f8(&[2, 3], &x()[..6]))], true));
    for options in [&one, &two] {
        let samples = read(&alone, options, true).unwrap();
        assert_eq!(samples.features.as_slice(), [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0]);
        assert_eq!((samples.targets, samples.origins.of(1)), (None, "1".to_owned()));
        assert_eq!((samples.origins.heading(), samples.origins), ("sample", Origins::Samples));
        assert_eq!(read(&single, options, true).unwrap().features, samples.features);
        let samples = read(&both, options, true).unwrap();
        assert_eq!(samples.targets.unwrap()[(1, 0)], schema.targets[1].scaling.apply(1.0));
        assert_eq!(read(&both, options, false).unwrap().targets, None);
    }
    for (file, expected) in [
        (f8(&[3], &x()[..3]), "its shape is [3]"),
        (f8(&[1, 4], &x()[..4]), "the network takes samples of 3 values"),
        (npz(&[("a", f8(&[1, 3], &x()[..3])), ("b", f8(&[1], &[0.0]))], false), "no array `x`"),
        (
            npz(&[("x", f8(&[1, 3], &x()[..3])), ("y", f8(&[1], &[0.0]))], false),
            "1 values, but the network has 2 targets",
        ),
        (
            npz(&[("x", f8(&[1, 3], &x()[..3])), ("y", f8(&[2, 2], &[0.0; 4]))], false),
            "1 samples, but `y` has 2",
        ),
    ] {
        let ending = if file.starts_with(b"PK") { "new.npz" } else { "new.npy" };
        let message = read(&write(ending, file), &one, true).unwrap_err();
        assert!(message.contains(expected), "{expected} in {message}");
    }
    // Images, of which every second row and column was kept.
    let pixels: Vec<f64> = (0..24).map(f64::from).collect();
    let path = write("images.npy", f8(&[2, 3, 4], &pixels));
    write("x.npy", f8(&[8, 3, 4], &(0..96).map(f64::from).collect::<Vec<_>>()));
    write("y.npy", f8(&[8], &x()[..8]));
    let trained =
        load_in(folder.path(), "features = \"x.npy\", targets = \"y.npy\"", "every = 2").unwrap();
    let read = |every: usize| read_arrays(&path, &two, every, trained.image, &trained.schema, true);
    assert_eq!(read(2).unwrap().features.as_slice(), [0.0, 2.0, 8.0, 10.0, 12.0, 14.0, 20.0, 22.0]);
    let message = read(1).unwrap_err().to_string();
    assert!(message.contains("[2, 3, 4]") && message.contains("(2, 2)"), "{message}");
    // New samples have classes as well.
    let of_classes = ArraysConfig { targets: None, classes: Some("c".into()), ..one };
    let text = FROM_FILE.replace("targets = \"y\"", "classes = \"c\"");
    let schema = load_in(folder.path(), &text, "").unwrap().schema;
    let samples = read_arrays(&both, &of_classes, 1, None, &schema, true).unwrap();
    assert_eq!(samples.labels.unwrap(), [1, 0, 1, 0, 1, 0, 1, 0]);
}
