//! Reader of WAV files (RIFF, RF64, BW64): any order of chunks; linear, floating-point, A-law and µ-law samples.
//!
//! The crate `hound` does not read left-aligned samples in wider containers, 64-bit floats and the headers of recorders
//! that stopped early.

use std::path::Path;

use crate::Error;

/// A recording with its channels averaged.
#[derive(Debug, PartialEq)]
pub(super) struct WavRecording {
    /// Samples; full scale is 1.
    pub sound: Vec<f32>,
    /// Sampling rate in Hz.
    pub rate: usize,
    /// Warning about the file.
    pub warning: Option<String>,
}

/// Accepted sampling rates in Hz: from slow sensors to ultrasound.
const RATES: std::ops::RangeInclusive<u32> = 100..=10_000_000;

/// Reads the file at `path`.
///
/// # Errors
/// [`Error::Data`] with the reason if it cannot be read.
pub(super) fn read(path: &Path) -> Result<WavRecording, Error> {
    let bytes = std::fs::read(path).map_err(Error::file(path, "check that it can be read"))?;
    decode(&bytes).map_err(|problem| Error::Data {
        path: path.to_owned(),
        problem: format!("{problem}; correct the file, or remove it from the folder"),
    })
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Encoding {
    Linear,
    Float,
    ALaw,
    MuLaw,
}

/// Contents of the chunk `fmt `.
#[derive(Clone, Copy, Debug)]
struct Format {
    encoding: Encoding,
    channels: usize,
    rate: u32,
    /// Bytes of one sample of one channel.
    width: usize,
}

fn u16_at(bytes: &[u8], place: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(place..place + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], place: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(place..place + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], place: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(place..place + 8)?.try_into().ok()?))
}

/// Decodes the bytes of a complete file.
pub(super) fn decode(bytes: &[u8]) -> Result<WavRecording, String> {
    let is_wave = bytes.get(8..12) == Some(b"WAVE");
    match bytes.get(..4) {
        Some(b"RIFF" | b"RF64" | b"BW64") if is_wave => {}
        Some(b"RIFX") if is_wave => {
            return Err("it is a big-endian WAV file (RIFX), which is not supported".to_owned());
        }
        _ if bytes.is_empty() => return Err("the file is empty".to_owned()),
        _ => {
            return Err(
                "it is not a WAV file: it does not begin with RIFF or RF64 and WAVE".to_owned()
            );
        }
    }
    let (mut format, mut data, mut long_data) = (None, None, None);
    let mut warning = None;
    let mut place = 12;
    while let (Some(name), Some(size)) = (bytes.get(place..place + 4), u32_at(bytes, place + 4)) {
        let start = place + 8;
        let left = bytes.len() - start;
        let stated = match (name, size, long_data) {
            (b"data", u32::MAX, Some(long)) => usize::try_from(long).unwrap_or(usize::MAX),
            _ => size as usize,
        };
        let length = match name {
            // A recorder that is stopped early leaves 0 or the largest number as the size.
            b"data" if size == u32::MAX && long_data.is_none() => left,
            b"data" if size == 0 && left > 0 && !begins_a_chunk(&bytes[start..]) => left,
            _ => stated.min(left),
        };
        let content = &bytes[start..start + length];
        match name {
            b"fmt " => format = Some(self::format(content)?),
            // A recorder that is stopped early leaves 0.
            b"ds64" => long_data = u64_at(content, 8).filter(|&long| long > 0),
            b"data" => {
                if data.is_some() {
                    warning =
                        Some("it has several chunks of samples; only the first is read".to_owned());
                } else {
                    data = Some(content);
                }
                if stated != length {
                    warning = Some(format!(
                        "the header says {stated} bytes of samples, but {length} follow; the recorder was stopped or the file is cut short"
                    ));
                }
            }
            _ => {}
        }
        if stated > left && length == left {
            break;
        }
        place = start + length;
        // Some writers leave out the byte that makes an odd chunk even.
        if length % 2 == 1 && !begins_a_chunk(&bytes[place..]) {
            place += 1;
        }
    }
    let format = format.ok_or("it has no chunk `fmt `, which says what its samples are")?;
    let data = data.ok_or("it has no chunk `data`, which holds the samples")?;
    let frame = format.width * format.channels;
    let sound: Vec<f32> = data
        .chunks_exact(frame)
        .map(|frame| {
            let all = frame.chunks_exact(format.width).map(|sample| value(format.encoding, sample));
            all.sum::<f32>() / format.channels as f32
        })
        .collect();
    if sound.is_empty() {
        return Err("it holds no samples".to_owned());
    }
    let is_zero = |sample: &[u8]| value(format.encoding, sample) == 0.0;
    if sound.iter().all(|value| *value == 0.0) && !data.chunks_exact(format.width).all(is_zero) {
        return Err(format!(
            "the average of its {} channels is zero, as if one is the negative of the other; save only one of them",
            format.channels
        ));
    }
    if let Some(place) = sound.iter().position(|value| !value.is_finite()) {
        return Err(format!("its sample {place} is not a finite number"));
    }
    Ok(WavRecording { sound, rate: format.rate as usize, warning })
}

/// Whether `bytes` begin with a chunk's name and a size that fits.
fn begins_a_chunk(bytes: &[u8]) -> bool {
    bytes
        .get(..4)
        .is_some_and(|name| name.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' '))
        && u32_at(bytes, 4).is_some_and(|size| size as usize <= bytes.len() - 8)
}

fn format(content: &[u8]) -> Result<Format, String> {
    const SHORT: &str = "its chunk `fmt ` is too short";
    let (Some(tag), Some(channels), Some(rate), Some(block), Some(bits)) = (
        u16_at(content, 0),
        u16_at(content, 2),
        u32_at(content, 4),
        u16_at(content, 12),
        u16_at(content, 14),
    ) else {
        return Err(SHORT.to_owned());
    };
    const EXTENSIBLE: u16 = 0xfffe;
    let tag = if tag == EXTENSIBLE { u16_at(content, 24).ok_or(SHORT)? } else { tag };
    let encoding = match tag {
        1 => Encoding::Linear,
        3 => Encoding::Float,
        6 => Encoding::ALaw,
        7 => Encoding::MuLaw,
        2 | 17 => {
            return Err(
                "its samples are ADPCM, which is not read; save it as linear PCM".to_owned()
            );
        }
        85 => {
            return Err("its samples are MP3, which is not read; save it as linear PCM".to_owned());
        }
        _ => {
            return Err(format!(
                "its samples have the format {tag:#06x}, which is not read; save it as linear PCM"
            ));
        }
    };
    if channels == 0 {
        return Err("its header says 0 channels".to_owned());
    }
    if !RATES.contains(&rate) {
        return Err(format!(
            "its header says a sampling rate of {rate} Hz; rates from {} to {} Hz are read",
            RATES.start(),
            RATES.end()
        ));
    }
    // A sample is stored in the upper bits of a container of whole bytes; the block size gives its width.
    let channels = usize::from(channels);
    let least = usize::from(bits).div_ceil(8);
    let of_block = usize::from(block) / channels;
    let width = if of_block >= least && usize::from(block) == of_block * channels {
        of_block
    } else {
        least
    };
    let is_read = match encoding {
        Encoding::Linear => (1..=8).contains(&width) && bits > 0,
        Encoding::Float => width == 4 || width == 8,
        Encoding::ALaw | Encoding::MuLaw => width == 1,
    };
    if !is_read {
        return Err(format!(
            "its header says samples of {bits} bits in {width} bytes, which are not read"
        ));
    }
    Ok(Format { encoding, channels, rate, width })
}

/// A sample as a share of full scale.
fn value(encoding: Encoding, sample: &[u8]) -> f32 {
    match (encoding, sample) {
        (Encoding::Linear, &[byte]) => (f32::from(byte) - 128.0) / 128.0,
        (Encoding::Linear, bytes) => {
            let mut wide = [0; 8];
            wide[8 - bytes.len()..].copy_from_slice(bytes);
            // Samples are left-aligned: full scale is the width of the container.
            (i64::from_le_bytes(wide) as f64 / 2f64.powi(63)) as f32
        }
        (Encoding::Float, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]),
        (Encoding::Float, bytes) => {
            bytes.try_into().map_or(f32::NAN, |bytes| f64::from_le_bytes(bytes) as f32)
        }
        (Encoding::ALaw, bytes) => a_law(bytes[0]),
        (Encoding::MuLaw, bytes) => mu_law(bytes[0]),
    }
}

/// ITU-T G.711, A-law: 13 bits, as a share of full scale.
fn a_law(code: u8) -> f32 {
    let code = code ^ 0x55;
    let mantissa = (i32::from(code & 0x0f) << 4) + 8;
    let magnitude = match (code & 0x70) >> 4 {
        0 => mantissa,
        exponent => (mantissa + 0x100) << (exponent - 1),
    };
    (if code & 0x80 != 0 { magnitude } else { -magnitude }) as f32 / 32_768.0
}

/// ITU-T G.711, µ-law: 14 bits.
fn mu_law(code: u8) -> f32 {
    let code = !code;
    let magnitude = (((i32::from(code & 0x0f) << 3) + 0x84) << ((code & 0x70) >> 4)) - 0x84;
    (if code & 0x80 != 0 { -magnitude } else { magnitude }) as f32 / 32_768.0
}
