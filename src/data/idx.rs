//! MNIST's file format (LeCun): a big-endian header, then bytes; gzip or not.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use nalgebra::DMatrix;

use super::{Dataset, ImageSize, Locator, Split};
use crate::Error;

/// Element type: unsigned byte.
const UNSIGNED_BYTE: u8 = 8;

/// Reads the four files of the folder `folder`; pixels become 0 to 1.
pub(super) fn read(locator: &Locator, folder: &Path) -> Result<Split, Error> {
    let folder = locator.find(folder)?;
    let (train, size) = dataset(&folder, "train")?;
    let (test, test_size) = dataset(&folder, "t10k")?;
    if size != test_size {
        return Err(Error::Data {
            path: folder,
            problem: format!(
                "the training images have {} × {} pixels and the test images {} × {}",
                size.rows, size.columns, test_size.rows, test_size.columns
            ),
        });
    }
    let last = train.labels.iter().chain(&test.labels).max().copied().unwrap_or(0);
    Ok(Split {
        train,
        test,
        classes: (0..=last).map(|class| class.to_string()).collect(),
        image: Some(size),
        augmentation: None,
    })
}

fn dataset(folder: &Path, part: &str) -> Result<(Dataset, ImageSize), Error> {
    let (images_path, sizes, pixels) = array(folder, &format!("{part}-images-idx3-ubyte"))?;
    let (labels_path, label_sizes, labels) = array(folder, &format!("{part}-labels-idx1-ubyte"))?;
    let ([samples, rows, columns], [labelled]) = (sizes.as_slice(), label_sizes.as_slice()) else {
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
    if samples != labelled || *samples == 0 {
        return Err(Error::Data {
            path: images_path,
            problem: format!(
                "{samples} images, but {labelled} labels in {}",
                labels_path.display()
            ),
        });
    }
    let features = DMatrix::from_iterator(
        rows * columns,
        *samples,
        pixels.iter().map(|&pixel| f32::from(pixel) / 255.0),
    );
    let labels = labels.into_iter().map(usize::from).collect();
    Ok((Dataset { features, labels }, ImageSize { rows: *rows, columns: *columns }))
}

/// Path, sizes and bytes of one array file.
fn array(folder: &Path, name: &str) -> Result<(PathBuf, Vec<usize>, Vec<u8>), Error> {
    let plain = folder.join(name);
    let zipped = folder.join(format!("{name}.gz"));
    let path = if plain.exists() { plain } else { zipped };
    let file = File::open(&path).map_err(Error::file(
        &path,
        "the folder needs MNIST's four files, as they are or gzipped",
    ))?;
    let mut bytes = Vec::new();
    let mut reader = BufReader::new(file);
    let outcome = if path.extension().is_some_and(|extension| extension == "gz") {
        GzDecoder::new(reader).read_to_end(&mut bytes)
    } else {
        reader.read_to_end(&mut bytes)
    };
    outcome.map_err(Error::file(&path, "the file is damaged; fetch it again"))?;

    let broken = |problem: String| Error::Data { path: path.clone(), problem };
    let (&[zero, also_zero, kind, dimensions], rest) =
        bytes.split_first_chunk::<4>().ok_or_else(|| broken("shorter than a header".to_owned()))?;
    if zero != 0 || also_zero != 0 || kind != UNSIGNED_BYTE {
        return Err(broken("not an IDX file of unsigned bytes".to_owned()));
    }
    let header = 4 * usize::from(dimensions);
    if rest.len() < header {
        return Err(broken("the header ends early".to_owned()));
    }
    let (sizes, values) = rest.split_at(header);
    let sizes: Vec<usize> = sizes
        .chunks_exact(4)
        .map(|size| u32::from_be_bytes([size[0], size[1], size[2], size[3]]) as usize)
        .collect();
    let expected = sizes.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
    if expected != Some(values.len()) {
        return Err(broken(format!(
            "the header says {sizes:?} values, but {} follow; the file is cut short or damaged",
            values.len()
        )));
    }
    Ok((path.clone(), sizes, values.to_vec()))
}
