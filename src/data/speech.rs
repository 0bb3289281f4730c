//! Reader of a folder of WAV files, named by label, speaker and take.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::SpeechConfig;
use super::table::Table;
use super::wav::{self, WavRecording};
use crate::Error;

/// Parts of a file's name beside its label, by which a split can divide the files.
const ASIDE: [&str; 2] = ["speaker", "take"];

/// Most files that are reported one by one.
const MOST_REPORTED: usize = 5;

/// Reads every `LABEL_SPEAKER_TAKE.wav` in `folder`, sorted by name. `aside`, `speaker` or `take`, divides the files.
pub(super) fn read(
    folder: &Path,
    config: &SpeechConfig,
    aside: Option<&str>,
) -> Result<Table, Error> {
    let broken = |path: &Path, problem: String| Error::Data { path: path.to_owned(), problem };
    let aside = aside
        .map(|name| {
            ASIDE.iter().position(|known| *known == name).ok_or_else(|| {
                broken(
                    folder,
                    format!("recordings have no column `{name}`, only {}; correct data.split.by_column.column", ASIDE.join(" and ")),
                )
            })
        })
        .transpose()?;
    let paths = recordings(folder)?;
    let names = paths
        .iter()
        .map(|path| {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            let parts: Vec<String> = stem.split('_').map(str::to_owned).collect();
            <[String; 3]>::try_from(parts).map_err(|_| {
                broken(path, "its name is not LABEL_SPEAKER_TAKE.wav, such as 7_nicolas_12.wav; rename it, or remove it from the folder".to_owned())
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    let (rows, warnings) = views(folder, &paths, config)?;
    Ok(Table {
        path: folder.to_owned(),
        features: config.view.feature_names(),
        rows,
        aside: aside.map_or_else(Vec::new, |place| {
            names.iter().map(|name| name[place + 1].clone()).collect()
        }),
        labels: names.into_iter().map(|[label, ..]| label).collect(),
        targets: Vec::new(),
        target_rows: Vec::new(),
        image: None,
        label: None,
        lines: Vec::new(),
        warnings,
        in_f32: true,
    })
}

/// Reads the recording or the folder of recordings at `path`; returns the table and the file names. The table has
/// labels only if every name has one.
pub(super) fn read_new(path: &Path, config: &SpeechConfig) -> Result<(Table, Vec<String>), Error> {
    let paths = if path.is_dir() { recordings(path)? } else { vec![path.to_owned()] };
    let (rows, warnings) = views(path, &paths, config)?;
    let label = |path: &PathBuf| {
        let stem = path.file_stem()?.to_string_lossy().into_owned();
        let parts: Vec<&str> = stem.split('_').collect();
        (parts.len() == 3).then(|| parts[0].to_owned())
    };
    let labels = paths.iter().map(label).collect::<Option<Vec<_>>>().unwrap_or_default();
    let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let names = paths.iter().map(name).collect();
    let table = Table {
        path: path.to_owned(),
        features: config.view.feature_names(),
        rows,
        aside: Vec::new(),
        labels,
        targets: Vec::new(),
        target_rows: Vec::new(),
        image: None,
        label: None,
        lines: Vec::new(),
        warnings,
        in_f32: true,
    };
    Ok((table, names))
}

/// Features of `paths` in the folder `place`, and warnings about the recordings.
fn views(
    place: &Path,
    paths: &[PathBuf],
    config: &SpeechConfig,
) -> Result<(Vec<Vec<f64>>, Vec<String>), Error> {
    config.view.check()?;
    let rows = paths
        .par_iter()
        .map(|path| {
            let WavRecording { sound, rate, warning } = wav::read(path)?;
            let view = config.view.features(&sound, rate);
            let row = view.map_err(|problem| Error::Data { path: path.clone(), problem })?;
            let row: Vec<f64> = row.into_iter().map(f64::from).collect();
            Ok((row, warning.map(|warning| format!("{}: {warning}", path.display()))))
        })
        .collect::<Result<Vec<_>, Error>>()?;
    let (rows, warnings): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
    let mut warnings: Vec<String> = warnings.into_iter().flatten().collect();
    if warnings.len() > MOST_REPORTED {
        let more = format!(
            "{}: {} more files like these",
            place.display(),
            warnings.len() - MOST_REPORTED
        );
        warnings.truncate(MOST_REPORTED);
        warnings.push(more);
    }
    Ok((rows, warnings))
}

/// The WAV files of `folder`, sorted by name.
///
/// # Errors
/// [`Error::File`] if the folder cannot be read, [`Error::Data`] if it has no WAV files.
pub(crate) fn recordings(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let advice = "name a folder of WAV files in data.source.speech.folder";
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(Error::file(folder, advice))? {
        let path = entry.map_err(Error::file(folder, advice))?.path();
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("wav")) {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        let problem = format!("it has no WAV files; {advice}");
        return Err(Error::Data { path: folder.to_owned(), problem });
    }
    paths.sort();
    Ok(paths)
}
