//! Hashes of samples, the same on every machine.

use nalgebra::DMatrix;
use sha2::{Digest, Sha256};
use twinprop_devices::random::Fnv1a;

use crate::Error;
use crate::data::{Dataset, Locator, SourceConfig, Split, Targets, recordings as recordings_in};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 of the labels of `half` by name, or of its targets, and, sample by sample, of its features; or, where the features are
/// computed from recordings, of `files` in their place: what is computed differs in the last bit between
/// machines.
pub(super) fn half(half: &Dataset, classes: &[String], files: Option<&str>) -> String {
    let mut hash = Sha256::new();
    for &label in half.targets.classes() {
        let name = classes.get(label).map_or("", String::as_str);
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
    }
    if let Targets::Values(values) = &half.targets {
        add(&mut hash, values);
    }
    match files {
        Some(files) => hash.update(files),
        None => add(&mut hash, &half.features),
    }
    hex(&hash.finalize())
}

/// Adds `values` `[rows × samples]` to `hash`, sample by sample.
fn add(hash: &mut Sha256, values: &DMatrix<f32>) {
    let mut bytes = Vec::new();
    for sample in values.as_slice().chunks(values.nrows().max(1)) {
        bytes.clear();
        bytes.extend(sample.iter().flat_map(|value| value.to_le_bytes()));
        hash.update(&bytes);
    }
}

/// A hash of each feature's values in the training and then the test samples (64-bit FNV-1a over words): it
/// names which feature changed, and need not be as strong as the halves' hashes.
pub(super) fn features(split: &Split) -> Vec<String> {
    let count = split.train.features.nrows();
    let mut hashes = vec![Fnv1a::default(); count];
    for half in [&split.train, &split.test] {
        for sample in half.features.as_slice().chunks(count.max(1)) {
            for (hash, value) in hashes.iter_mut().zip(sample) {
                hash.add(u64::from(value.to_bits()));
            }
        }
    }
    hashes.into_iter().map(|Fnv1a(hash)| format!("{hash:016x}")).collect()
}

/// SHA-256 of the recordings of `source` and their names, if it is a folder of recordings.
pub(super) fn recordings(
    source: &SourceConfig,
    locator: &Locator,
) -> Result<Option<String>, Error> {
    let SourceConfig::Speech(config) = source else { return Ok(None) };
    let advice = "check that it can be read";
    let folder = locator.find(&config.folder)?;
    let mut hash = Sha256::new();
    for path in recordings_in(&folder)? {
        let bytes = std::fs::read(&path).map_err(Error::file(&path, advice))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        for part in [name.as_bytes(), &bytes] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    Ok(Some(hex(&hash.finalize())))
}
