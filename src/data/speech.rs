//! A folder of recordings, each a WAV file whose name says what is spoken, by whom, and which take it is.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::SpeechConfig;
use super::table::Table;
use super::wav::{self, Recording};
use crate::Error;

/// What a file's name says besides its label; a split can go by either.
const ASIDE: [&str; 2] = ["speaker", "take"];

/// Odd files that are told of one by one.
const TOLD: usize = 5;

/// Reads every `LABEL_SPEAKER_TAKE.wav` in `folder`, in the order of their names; `aside` names what the
/// split goes by.
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
                broken(path, "its name is not LABEL_SPEAKER_TAKE.wav, such as 7_nicolas_12.wav; rename it, or take it out of the folder".to_owned())
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    let rows = paths
        .par_iter()
        .map(|path| {
            let Recording { sound, rate, warning } = wav::read(path)?;
            let row =
                config.view.features(&sound, rate).map_err(|problem| broken(path, problem))?;
            let row: Vec<f64> = row.into_iter().map(f64::from).collect();
            Ok((row, warning.map(|warning| format!("{}: {warning}", path.display()))))
        })
        .collect::<Result<Vec<_>, Error>>()?;
    let (rows, warnings): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
    let mut warnings: Vec<String> = warnings.into_iter().flatten().collect();
    if warnings.len() > TOLD {
        let more = format!("{}: {} more files like these", folder.display(), warnings.len() - TOLD);
        warnings.truncate(TOLD);
        warnings.push(more);
    }
    Ok(Table {
        path: folder.to_owned(),
        features: config.view.feature_names(),
        rows,
        aside: aside.map_or_else(Vec::new, |place| {
            names.iter().map(|name| name[place + 1].clone()).collect()
        }),
        labels: names.into_iter().map(|[label, ..]| label).collect(),
        image: None,
        label: None,
        lines: Vec::new(),
        warnings,
        in_f32: true,
    })
}

/// The WAV files of `folder`, sorted by name.
fn recordings(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let advice = "name a folder of WAV files in data.source.speech.folder";
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(Error::file(folder, advice))? {
        let path = entry.map_err(Error::file(folder, advice))?.path();
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("wav")) {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        let problem = format!("there are no WAV files in it; {advice}");
        return Err(Error::Data { path: folder.to_owned(), problem });
    }
    paths.sort();
    Ok(paths)
}
