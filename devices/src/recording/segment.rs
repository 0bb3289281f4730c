//! A segment of a recording: up to some thousand shots, in a folder of NPY files.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use npyz::{AutoSerialize, Deserialize as FromNpy, NpyFile, WriterBuilder};

use super::index::{Checksums, Line};
use crate::Interface;
use crate::checksum::checksum;
use crate::whole_file::sync_folder;

/// The shots of a segment, channels fastest.
#[derive(Default)]
pub(super) struct Segment {
    pub inputs: Vec<f32>,
    pub outputs: Vec<f32>,
    pub parameters: Vec<f32>,
    pub setting: Vec<u32>,
    pub seconds: Vec<f64>,
}

impl Segment {
    pub fn shots(&self) -> usize {
        self.setting.len()
    }

    /// Number of settings of the parameters.
    pub fn settings(&self) -> usize {
        self.setting.last().map_or(0, |last| *last as usize + 1)
    }

    /// Size in bytes.
    pub fn bytes(&self) -> usize {
        4 * (self.inputs.len() + self.outputs.len() + self.parameters.len() + self.setting.len())
            + 8 * self.seconds.len()
    }

    pub fn clear(&mut self) {
        let Self { inputs, outputs, parameters, setting, seconds } = self;
        inputs.clear();
        outputs.clear();
        parameters.clear();
        setting.clear();
        seconds.clear();
    }

    /// Writes the files into the new folder `folder`, of a device with `interface`, and syncs them.
    pub fn write(&self, folder: &Path, interface: &Interface) -> io::Result<Checksums> {
        fs::create_dir(folder)?;
        let (shots, settings) = (self.shots(), self.settings());
        let width = interface.parameters.len();
        let matrix = |name: &str, values: &[f32], rows: usize, columns: usize| {
            write(folder, name, &[rows as u64, columns as u64], values)
        };
        let checksums = Checksums {
            inputs: matrix("inputs", &self.inputs, shots, interface.inputs.len())?,
            outputs: matrix("outputs", &self.outputs, shots, interface.outputs.len())?,
            parameters: matrix("parameters", &self.parameters, settings, width)?,
            setting: write(folder, "setting", &[shots as u64], &self.setting)?,
            seconds: write(folder, "seconds", &[shots as u64], &self.seconds)?,
        };
        sync_folder(folder)?;
        Ok(checksums)
    }

    /// Reads the segment in `folder` that `line` describes; an error names the damaged file.
    pub fn read(folder: &Path, line: &Line, interface: &Interface) -> Result<Self, String> {
        let Line { shots, settings, crc32, .. } = line;
        let (shots, settings) = (*shots as u64, *settings as u64);
        let width = |channels: &crate::Channels| channels.len() as u64;
        let segment = Self {
            inputs: read(folder, "inputs", &[shots, width(&interface.inputs)], crc32.inputs)?,
            outputs: read(folder, "outputs", &[shots, width(&interface.outputs)], crc32.outputs)?,
            parameters: read(
                folder,
                "parameters",
                &[settings, width(&interface.parameters)],
                crc32.parameters,
            )?,
            setting: read(folder, "setting", &[shots], crc32.setting)?,
            seconds: read(folder, "seconds", &[shots], crc32.seconds)?,
        };
        if segment.setting.iter().any(|setting| u64::from(*setting) >= settings) {
            return Err(format!(
                "{}: a shot refers to a setting that does not exist",
                folder.join("setting.npy").display()
            ));
        }
        Ok(segment)
    }
}

fn write<T: AutoSerialize + Copy>(
    folder: &Path,
    name: &str,
    shape: &[u64],
    values: &[T],
) -> io::Result<u32> {
    let mut bytes = Vec::with_capacity(128 + std::mem::size_of_val(values));
    let mut writer =
        npyz::WriteOptions::new().default_dtype().shape(shape).writer(&mut bytes).begin_nd()?;
    writer.extend(values.iter().copied())?;
    writer.finish()?;
    let mut file = File::create_new(folder.join(format!("{name}.npy")))?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    Ok(checksum(&bytes))
}

fn read<T: FromNpy>(folder: &Path, name: &str, shape: &[u64], crc: u32) -> Result<Vec<T>, String> {
    let path = folder.join(format!("{name}.npy"));
    let wrong = |problem: String| format!("{}: {problem}", path.display());
    let bytes = fs::read(&path).map_err(|error| wrong(error.to_string()))?;
    if checksum(&bytes) != crc {
        return Err(wrong("its checksum differs from the index: the file is damaged".to_owned()));
    }
    let file = NpyFile::new(&bytes[..]).map_err(|error| wrong(error.to_string()))?;
    if file.shape() != shape {
        return Err(wrong(format!("its shape is {:?}, expected {shape:?}", file.shape())));
    }
    file.into_vec().map_err(|error| wrong(error.to_string()))
}

/// Whether two shots' values are the same to the bit.
pub(super) fn same_bits(left: &[f32], right: &[f32]) -> bool {
    left.iter().zip(right).all(|(left, right)| left.to_bits() == right.to_bits())
}
