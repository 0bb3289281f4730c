//! Reader of MNIST's file format (LeCun): a big-endian header, then bytes; gzipped or not.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::image::{Images, Labelled};
use super::{ImageSize, Locator};
use crate::Error;
use flate2::read::MultiGzDecoder;

/// Element type: unsigned byte.
const UNSIGNED_BYTE: u8 = 8;

/// Reads the training and test images from the four files in `folder`; pixels become features from 0 to 1.
pub(super) fn read(locator: &Locator, folder: &Path) -> Result<Halves, Error> {
    let folder = locator.find(folder)?;
    let (mut train, mut test) = (labelled(&folder, "train")?, labelled(&folder, "t10k")?);
    let (size, test_size) = (train.images.size, test.images.size);
    if size != test_size {
        return Err(Error::Data {
            path: folder,
            problem: format!(
                "the training images have {} × {} pixels and the test images {} × {}; take both from the same data set",
                size.rows, size.columns, test_size.rows, test_size.columns
            ),
        });
    }
    let mut occurring = train.labels.clone();
    occurring.sort_unstable();
    occurring.dedup();
    let refused = |problem: String| Error::Data { path: folder.clone(), problem };
    if let [only] = occurring.as_slice() {
        return Err(refused(format!(
            "all training images have the label {only}; at least two classes are needed"
        )));
    }
    for labels in [&mut train.labels, &mut test.labels] {
        for label in labels {
            *label = occurring.binary_search(label).map_err(|_| {
                refused(format!(
                    "the test labels have the class `{label}`, but the training labels do not; take both from the same data set"
                ))
            })?;
        }
    }
    Ok(Halves { train, test, classes: occurring.iter().map(ToString::to_string).collect() })
}

/// Training and test images; a label is an index in `classes`.
pub(super) struct Halves {
    pub train: Labelled,
    pub test: Labelled,
    /// Labels that occur, in numeric order.
    pub classes: Vec<String>,
}

fn labelled(folder: &Path, part: &str) -> Result<Labelled, Error> {
    let (images_path, sizes, pixels) = array(folder, part, "images", 3)?;
    let (labels_path, label_sizes, labels) = array(folder, part, "labels", 1)?;
    let (&[samples, rows, columns], &[labelled]) = (sizes.as_slice(), label_sizes.as_slice())
    else {
        return Err(Error::Data {
            path: images_path,
            problem: format!(
                "expected images of 3 dimensions and labels of 1, found {} and {} (in {})",
                sizes.len(),
                label_sizes.len(),
                labels_path.display()
            ),
        });
    };
    if samples != labelled || pixels.is_empty() {
        return Err(Error::Data {
            path: images_path,
            problem: format!(
                "{samples} images of {rows} × {columns} pixels, but {labelled} labels in {}; download the files again",
                labels_path.display()
            ),
        });
    }
    let images = Images { size: ImageSize { rows, columns }, pixels, one: 255.0 };
    Ok(Labelled { images, labels: labels.into_iter().map(usize::from).collect() })
}

/// New images, with optional labels.
pub(super) struct NewImages {
    pub images: Images,
    pub labels: Option<Vec<u8>>,
}

/// Reads the images in the file `path` and, if `labelled`, the labels in the file beside it, if it exists.
pub(super) fn read_new(path: &Path, labelled: bool) -> Result<NewImages, Error> {
    let broken = |problem: String| Error::Data { path: path.to_owned(), problem };
    let (sizes, pixels) = contents(path)?;
    let &[samples, rows, columns] = sizes.as_slice() else {
        return Err(broken(format!(
            "expected images, which have 3 dimensions, but found {}",
            sizes.len()
        )));
    };
    if pixels.is_empty() {
        return Err(broken("it has no images".to_owned()));
    }
    let images = Images { size: ImageSize { rows, columns }, pixels, one: 255.0 };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(name.replace("images", "labels").replace("idx3", "idx1"));
    if !labelled || beside == path || !beside.is_file() {
        return Ok(NewImages { images, labels: None });
    }
    let (sizes, labels) = contents(&beside)?;
    if sizes != [samples] {
        return Err(broken(format!(
            "{samples} images, but labels of shape {sizes:?} in {}; ignore them with option `ignore_labels`",
            beside.display()
        )));
    }
    Ok(NewImages { images, labels: Some(labels) })
}

/// Path, shape and bytes of one of the four files.
fn array(
    folder: &Path,
    part: &str,
    what: &str,
    dimensions: u8,
) -> Result<(PathBuf, Vec<usize>, Vec<u8>), Error> {
    let names = ["-", "."].map(|sign| format!("{part}-{what}{sign}idx{dimensions}-ubyte"));
    let candidates = names.iter().flat_map(|name| [name.clone(), format!("{name}.gz")]);
    let path = candidates
        .map(|name| folder.join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| folder.join(&names[0]));
    let (sizes, values) = contents(&path)?;
    Ok((path, sizes, values))
}

/// Shape and bytes of the file at `path`.
fn contents(path: &Path) -> Result<(Vec<usize>, Vec<u8>), Error> {
    let file = File::open(path)
        .map_err(Error::file(path, "put MNIST's four files there, plain or gzipped"))?;
    let zipped = path.extension().is_some_and(|extension| extension == "gz");
    let reader = BufReader::new(file);
    let mut reader: Box<dyn Read> =
        if zipped { Box::new(MultiGzDecoder::new(reader)) } else { Box::new(reader) };
    let damaged = |error| Error::file(path, "the file is damaged; download it again")(error);
    let broken = |problem: String| Error::Data { path: path.to_owned(), problem };
    let mut fill = |buffer: &mut [u8]| {
        reader.read_exact(buffer).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => {
                broken("its header is cut short; download the file again".to_owned())
            }
            _ => damaged(error),
        })
    };
    let mut start = [0; 4];
    fill(&mut start)?;
    let [0, 0, element, dimensions] = start else {
        let remedy = if start.starts_with(&[0x1f, 0x8b]) {
            "it is gzipped; add .gz to its name"
        } else {
            "it does not begin with two zero bytes"
        };
        return Err(broken(format!("not an IDX file of unsigned bytes: {remedy}")));
    };
    if element != UNSIGNED_BYTE {
        let found = match element {
            0x09 => "signed bytes".to_owned(),
            0x0b => "16-bit integers".to_owned(),
            0x0c => "32-bit integers".to_owned(),
            0x0d => "32-bit floating-point numbers".to_owned(),
            0x0e => "64-bit floating-point numbers".to_owned(),
            other => format!("the unknown type {other:#04x}"),
        };
        return Err(broken(format!("its elements are {found}; unsigned bytes are needed")));
    }
    let mut header = vec![0; 4 * usize::from(dimensions)];
    fill(&mut header)?;
    let sizes: Vec<usize> = header
        .chunks_exact(4)
        .map(|size| u32::from_be_bytes([size[0], size[1], size[2], size[3]]) as usize)
        .collect();
    let mut values = Vec::new();
    let expected = sizes.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
    if let Some(expected) =
        expected.filter(|&expected| values.try_reserve_exact(expected + 1).is_ok())
    {
        // One byte more shows that the file is too long.
        reader.take(expected as u64 + 1).read_to_end(&mut values).map_err(damaged)?;
    }
    if expected != Some(values.len()) {
        return Err(broken(format!(
            "the header says {sizes:?} values, but {} follow; the file is cut short or damaged",
            values.len()
        )));
    }
    Ok((sizes, values))
}
