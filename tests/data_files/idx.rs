//! Data sets from files: MNIST's format, plain and gzipped, and the folders in which files are searched for.

use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use twinprop::data::{DataConfig, Locator, Split};

const NAMES: [&str; 4] = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
];

/// An IDX file of unsigned bytes.
fn idx(sizes: &[u32], values: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, u8::try_from(sizes.len()).unwrap()];
    bytes.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
    bytes.extend(values);
    bytes
}

/// Writes six training and three test images of 2 × 2 to the folder, optionally gzipped.
fn write_images(folder: &Path, zipped: bool) {
    fs::create_dir_all(folder).unwrap();
    let pixels: Vec<u8> = (0..24).map(|pixel| pixel * 10).collect();
    for (name, bytes) in NAMES.iter().zip([
        idx(&[6, 2, 2], &pixels),
        idx(&[6], &[0, 1, 2, 0, 1, 2]),
        idx(&[3, 2, 2], &pixels[12..]),
        idx(&[3], &[2, 1, 0]),
    ]) {
        if zipped {
            let file = fs::File::create(folder.join(format!("{name}.gz"))).unwrap();
            let mut encoder = GzEncoder::new(file, Compression::fast());
            encoder.write_all(&bytes).unwrap();
            encoder.finish().unwrap();
        } else {
            fs::write(folder.join(name), bytes).unwrap();
        }
    }
}

fn load(folder: &str, locator: &Locator) -> Result<Split, String> {
    let config: DataConfig =
        toml::from_str(&format!("source = {{ idx = {{ folder = \"{folder}\" }} }}")).unwrap();
    config.load(locator, 1).map_err(|error| error.to_string())
}

#[test]
fn images_are_read_plain_and_gzipped_from_any_of_the_folders() {
    let recipe_folder = tempfile::tempdir().unwrap();
    let data_dir = tempfile::tempdir().unwrap();
    write_images(&recipe_folder.path().join("beside"), false);
    write_images(&data_dir.path().join("elsewhere"), true);
    let locator = Locator::new(recipe_folder.path(), Some(data_dir.path()));
    for folder in ["beside", "elsewhere"] {
        let split = load(folder, &locator).unwrap();
        assert_eq!(split.train.features.shape(), (4, 6));
        assert_eq!(split.test.features.shape(), (4, 3));
        assert_eq!(split.test.targets.classes(), [2, 1, 0]);
        assert_eq!(split.classes, ["0", "1", "2"]);
        assert_eq!(split.train.features[(3, 5)], 230.0 / 255.0);
        assert_eq!(split.test.features.column(0), split.train.features.column(3));
    }
    let message = load("nowhere", &locator).unwrap_err();
    assert!(
        message.contains("option `data_dir`") && message.contains("TWINPROP_DATA"),
        "{message}"
    );
}

#[test]
fn damaged_images_are_refused_with_the_file_and_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let locator = Locator::new(folder.path(), None);
    for (name, bytes, expected) in [
        (NAMES[0], idx(&[6, 2, 2], &[0; 23]), "cut short"),
        (NAMES[0], idx(&[u32::MAX, u32::MAX, 9], &[0; 24]), "cut short"),
        (NAMES[0], idx(&[5, 2, 2], &[0; 20]), "6 labels"),
        (NAMES[0], idx(&[24], &[0; 24]), "3 dimensions"),
        (NAMES[1], vec![0, 0, 13, 1, 0, 0, 0, 0], "32-bit floating-point numbers; unsigned bytes"),
        (NAMES[1], vec![0, 0], "header"),
        (NAMES[2], idx(&[3, 1, 1], &[0; 3]), "2 × 2 pixels and the test images 1 × 1"),
    ] {
        write_images(&folder.path().join("images"), false);
        fs::write(folder.path().join("images").join(name), bytes).unwrap();
        let message = load("images", &locator).unwrap_err();
        assert!(message.contains(expected), "{expected} in {message}");
        assert!(message.contains("images"), "{message}");
    }
    fs::remove_file(folder.path().join("images").join(NAMES[3])).unwrap();
    write_images(&folder.path().join("images"), false);
    fs::remove_file(folder.path().join("images").join(NAMES[3])).unwrap();
    let message = load("images", &locator).unwrap_err();
    assert!(message.contains(NAMES[3]) && message.contains("four files"), "{message}");
}

#[test]
fn both_spellings_are_read_plain_gzipped_and_in_several_members() {
    for (sign, zipped) in [(".", false), (".", true), ("-", true), ("-", false)] {
        let folder = tempfile::tempdir().unwrap();
        let images = folder.path().join("images");
        write_images(&images, false);
        for name in NAMES {
            let bytes = fs::read(images.join(name)).unwrap();
            fs::remove_file(images.join(name)).unwrap();
            let name = name.replace("-idx", &format!("{sign}idx"));
            if zipped {
                // Two members, as `cat a.gz b.gz` makes them.
                let mut file = fs::File::create(images.join(format!("{name}.gz"))).unwrap();
                for half in [&bytes[..9.min(bytes.len())], &bytes[9.min(bytes.len())..]] {
                    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                    encoder.write_all(half).unwrap();
                    file.write_all(&encoder.finish().unwrap()).unwrap();
                }
            } else {
                fs::write(images.join(name), bytes).unwrap();
            }
        }
        let split = load("images", &Locator::new(folder.path(), None)).unwrap();
        assert_eq!((split.train.len(), split.test.len()), (6, 3), "{sign} {zipped}");
        assert_eq!(split.schema.features[3].name, "row 1, column 1");
    }
}

#[test]
fn the_classes_are_the_labels_that_occur() {
    for (train, test, expected) in [
        ([1, 2, 3, 1, 2, 3], [3, 2, 1], Ok(("1 2 3", [2, 1, 0]))),
        ([10, 2, 200, 10, 2, 200], [2, 10, 200], Ok(("2 10 200", [0, 1, 2]))),
        ([0, 7, 0, 7, 0, 7], [7, 0, 7], Ok(("0 7", [1, 0, 1]))),
        ([0, 1, 0, 1, 0, 1], [0, 1, 2], Err("class `2`")),
        ([4; 6], [4; 3], Err("all training images have the label 4")),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let images = folder.path().join("images");
        write_images(&images, false);
        fs::write(images.join(NAMES[1]), idx(&[6], &train)).unwrap();
        fs::write(images.join(NAMES[3]), idx(&[3], &test)).unwrap();
        match (load("images", &Locator::new(folder.path(), None)), expected) {
            (Ok(split), Ok((classes, labels))) => {
                assert_eq!(split.classes.join(" "), classes);
                assert_eq!(split.test.targets.classes(), labels);
            }
            (Err(message), Err(expected)) => assert!(message.contains(expected), "{message}"),
            (found, expected) => panic!("{expected:?}: {found:?}"),
        }
    }
}

#[test]
fn the_shipped_sets_have_their_published_sizes() {
    let load = |text: &str| -> Split {
        let config: DataConfig = toml::from_str(text).unwrap();
        config.load(&Locator::default(), 1).unwrap()
    };
    let vowels = load("source = \"vowels\"");
    assert_eq!(vowels.train.len() + vowels.test.len(), 990);
    assert_eq!((vowels.train.features.nrows(), vowels.classes.len()), (9, 11));
    let by_speaker = load(
        "source = \"vowels\"\nsplit = { by_column = { column = \"speaker\", test = [\"8\", \"9\", \"10\", \"11\", \"12\", \"13\", \"14\"] } }",
    );
    assert_eq!((by_speaker.train.len(), by_speaker.test.len()), (528, 462));
    assert_eq!(by_speaker.train.features.nrows(), 9, "the speaker is no feature");
    let digits = load("source = \"digits\"");
    assert_eq!(digits.train.len() + digits.test.len(), 1797);
    assert_eq!((digits.train.features.nrows(), digits.classes.len()), (64, 10));
}

/// The real MNIST, if it is installed.
#[test]
fn mnist_is_read_whole() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    if !shared.join("mnist").is_dir() {
        eprintln!("skipped: {} has no folder mnist", shared.display());
        return;
    }
    let split = load("mnist", &Locator::new(&shared, None)).unwrap();
    assert_eq!((split.train.len(), split.test.len()), (60_000, 10_000));
    assert_eq!((split.train.features.nrows(), split.classes.len()), (784, 10));
    // The first test image shows a seven.
    assert_eq!(split.test.targets.classes()[0], 7);
}
