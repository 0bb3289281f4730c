//! Recordings: the same sound gives the same features from every kind of file.

use std::fs;
use std::path::Path;

use twinprop::data::{DataConfig, Locator, Split};

const RATE: u32 = 8000;

/// A tone with 16-bit values, so that every wider type holds it exactly.
fn tone(take: usize) -> Vec<i16> {
    let hz = [300.0, 900.0][take % 2] + 10.0 * take as f64;
    let sample = |n: i32| 12_000.0 * (std::f64::consts::TAU * hz * f64::from(n) / 8000.0).sin();
    (0..1600).map(|n| sample(n) as i16).collect()
}

fn chunk(name: &str, content: &[u8]) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.extend(u32::try_from(content.len()).unwrap().to_le_bytes());
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    bytes
}

fn riff(name: &str, chunks: &[Vec<u8>]) -> Vec<u8> {
    let content = [b"WAVE".to_vec(), chunks.concat()].concat();
    chunk(name, &content)
}

fn fmt(tag: u16, channels: u16, rate: u32, bits: u16) -> Vec<u8> {
    let block = channels * bits.div_ceil(8);
    let mut bytes = [tag.to_le_bytes(), channels.to_le_bytes()].concat();
    bytes.extend(rate.to_le_bytes());
    bytes.extend((rate.wrapping_mul(u32::from(block))).to_le_bytes());
    bytes.extend([block.to_le_bytes(), bits.to_le_bytes()].concat());
    bytes
}

fn extensible(tag: u16, channels: u16, bits: u16, valid: u16) -> Vec<u8> {
    let mut bytes = fmt(0xfffe, channels, RATE, bits);
    bytes.extend([22u16.to_le_bytes(), valid.to_le_bytes()].concat());
    bytes.extend([4, 0, 0, 0]);
    bytes.extend(tag.to_le_bytes());
    bytes.extend([0, 0, 0, 0, 16, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71]);
    bytes
}

fn pcm(sound: &[i16]) -> Vec<u8> {
    sound.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Left-aligned samples of `width` bytes.
fn wide(sound: &[i16], width: usize) -> Vec<u8> {
    let sample = |value: &i16| [vec![0; width - 2], value.to_le_bytes().to_vec()].concat();
    sound.iter().flat_map(sample).collect()
}

fn plain(sound: &[i16]) -> Vec<u8> {
    riff("RIFF", &[chunk("fmt ", &fmt(1, 1, RATE, 16)), chunk("data", &pcm(sound))])
}

fn load(folder: &Path) -> Result<Split, String> {
    let config: DataConfig = toml::from_str(
        "source.speech = { folder = \"sounds\", view.waveform = { samples = 400, pre_emphasis = 0.0 } }",
    )
    .unwrap();
    config.load(&Locator::new(folder, None), 1).map_err(|error| error.to_string())
}

/// Features and warnings of eight recordings; `build` makes the files.
fn read(build: &dyn Fn(&[i16]) -> Vec<u8>) -> Result<Split, String> {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("sounds")).unwrap();
    for take in 0..8 {
        let name = format!("sounds/{}_ann_{take}.wav", take % 2);
        fs::write(folder.path().join(name), build(&tone(take))).unwrap();
    }
    load(folder.path())
}

/// G.711 encoder by search: the code with the nearest value of the standard's table `decode`.
fn companded(sound: &[i16], decode: fn(u8) -> i32) -> Vec<u8> {
    let nearest =
        |value: i32| (0..=255u8).min_by_key(|&code| (decode(code) - value).abs()).unwrap();
    sound.iter().map(|&value| nearest(i32::from(value))).collect()
}

fn mu_law(code: u8) -> i32 {
    let code = !code;
    let (exponent, mantissa) = (i32::from(code >> 4 & 7), i32::from(code & 15));
    let magnitude = ((2 * mantissa + 33) << exponent) - 33;
    4 * if code & 0x80 == 0 { magnitude } else { -magnitude }
}

fn a_law(code: u8) -> i32 {
    let code = code ^ 0x55;
    let (exponent, mantissa) = (i32::from(code >> 4 & 7), i32::from(code & 15));
    let magnitude =
        if exponent == 0 { 2 * mantissa + 1 } else { (2 * mantissa + 33) << (exponent - 1) };
    8 * if code & 0x80 == 0 { -magnitude } else { magnitude }
}

#[test]
fn one_sound_gives_the_same_features_from_every_file() {
    let reference = read(&|sound| plain(sound)).unwrap();
    assert_eq!((reference.train.len(), reference.test.len()), (6, 2));
    type Build = Box<dyn Fn(&[i16]) -> Vec<u8>>;
    let with = |format: Vec<u8>, samples: fn(&[i16]) -> Vec<u8>| -> Build {
        Box::new(move |sound| {
            riff("RIFF", &[chunk("fmt ", &format), chunk("data", &samples(sound))])
        })
    };
    let sized = |size: u32| -> Build {
        Box::new(move |sound| {
            let mut bytes = plain(sound);
            bytes[40..44].copy_from_slice(&size.to_le_bytes());
            bytes[4..8].copy_from_slice(&size.to_le_bytes());
            bytes
        })
    };
    let around = |before: Vec<Vec<u8>>, between: Vec<Vec<u8>>, after: Vec<Vec<u8>>| -> Build {
        Box::new(move |sound| {
            let format = vec![chunk("fmt ", &fmt(1, 1, RATE, 16))];
            let data = vec![chunk("data", &pcm(sound))];
            riff("RIFF", &[before.clone(), format, between.clone(), data, after.clone()].concat())
        })
    };
    let odd = || chunk("LIST", b"INFOx");
    let long = |name: &'static str| -> Build {
        Box::new(move |sound| {
            let samples = pcm(sound);
            let mut sizes = 0u64.to_le_bytes().to_vec();
            sizes.extend((samples.len() as u64).to_le_bytes());
            sizes.extend([0; 12]);
            let mut data = chunk("data", &samples);
            data[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
            let after = chunk("LIST", b"INFOx");
            riff(name, &[chunk("ds64", &sizes), chunk("fmt ", &fmt(1, 1, RATE, 16)), data, after])
        })
    };
    // Name, file, largest difference of a feature, whether there is a warning.
    let cases: Vec<(&str, Build, f32, bool)> = vec![
        ("24 bits", with(fmt(1, 1, RATE, 24), |sound| wide(sound, 3)), 0.0, false),
        ("32 bits", with(fmt(1, 1, RATE, 32), |sound| wide(sound, 4)), 0.0, false),
        ("24 valid bits in 32", with(extensible(1, 1, 32, 24), |sound| wide(sound, 4)), 0.0, false),
        ("20 valid bits in 24", with(extensible(1, 1, 24, 20), |sound| wide(sound, 3)), 0.0, false),
        ("12 valid bits in 16", with(extensible(1, 1, 16, 12), pcm), 0.0, false),
        ("no valid bits stated", with(extensible(1, 1, 16, 0), pcm), 0.0, false),
        (
            "32-bit float",
            with(fmt(3, 1, RATE, 32), |sound| {
                sound
                    .iter()
                    .flat_map(|&value| (f32::from(value) / 32_768.0).to_le_bytes())
                    .collect()
            }),
            0.0,
            false,
        ),
        (
            "64-bit float",
            with(fmt(3, 1, RATE, 64), |sound| {
                sound
                    .iter()
                    .flat_map(|&value| (f64::from(value) / 32_768.0).to_le_bytes())
                    .collect()
            }),
            0.0,
            false,
        ),
        (
            "64-bit float, extensible",
            with(extensible(3, 1, 64, 64), |sound| {
                sound
                    .iter()
                    .flat_map(|&value| (f64::from(value) / 32_768.0).to_le_bytes())
                    .collect()
            }),
            0.0,
            false,
        ),
        (
            "float without scale",
            with(fmt(3, 1, RATE, 32), |sound| {
                sound.iter().flat_map(|&value| f32::from(value).to_le_bytes()).collect()
            }),
            1e-6,
            false,
        ),
        (
            "float of 1e-30",
            with(fmt(3, 1, RATE, 32), |sound| {
                sound.iter().flat_map(|&value| (1e-30 * f32::from(value)).to_le_bytes()).collect()
            }),
            1e-6,
            false,
        ),
        (
            "8 bits",
            with(fmt(1, 1, RATE, 8), |sound| {
                sound.iter().map(|&value| ((value as f32 / 256.0).round() + 128.0) as u8).collect()
            }),
            // Half a step of 1/128 is 0.0023 at this loudness.
            0.003,
            false,
        ),
        ("µ-law", with(fmt(7, 1, RATE, 8), |sound| companded(sound, mu_law)), 0.01, false),
        ("A-law", with(fmt(6, 1, RATE, 8), |sound| companded(sound, a_law)), 0.01, false),
        (
            "stereo",
            with(fmt(1, 2, RATE, 16), |sound| {
                sound
                    .iter()
                    .flat_map(|value| [value.to_le_bytes(), value.to_le_bytes()].concat())
                    .collect()
            }),
            0.0,
            false,
        ),
        ("odd chunk before", around(vec![odd()], vec![], vec![]), 0.0, false),
        ("odd chunk between", around(vec![], vec![odd()], vec![]), 0.0, false),
        ("odd chunk behind", around(vec![], vec![], vec![odd()]), 0.0, false),
        (
            "many chunks",
            around(
                vec![chunk("JUNK", &[0; 27]), chunk("bext", &[1; 603])],
                vec![chunk("fact", &[0; 4]), chunk("PEAK", &[0; 15]), odd()],
                vec![chunk("id3 ", b"data"), chunk("cue ", &[0; 4])],
            ),
            0.0,
            false,
        ),
        (
            "data before the format",
            Box::new(|sound| {
                riff("RIFF", &[chunk("data", &pcm(sound)), chunk("fmt ", &fmt(1, 1, RATE, 16))])
            }),
            0.0,
            false,
        ),
        (
            "RF64 of a recorder that was stopped",
            Box::new(|sound| {
                let mut data = chunk("data", &pcm(sound));
                data[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
                let format = chunk("fmt ", &fmt(1, 1, RATE, 16));
                riff("RF64", &[chunk("ds64", &[0; 28]), format, data])
            }),
            0.0,
            true,
        ),
        (
            "an odd chunk without its last byte",
            around(vec![chunk("JUNK", &[7; 5])[..13].to_vec()], vec![], vec![]),
            0.0,
            false,
        ),
        (
            "two chunks of samples",
            around(vec![], vec![], vec![chunk("data", &[1; 400])]),
            0.0,
            true,
        ),
        ("RF64", long("RF64"), 0.0, false),
        ("BW64", long("BW64"), 0.0, false),
        ("size never written: 0", sized(0), 0.0, true),
        ("size never written: largest", sized(u32::MAX), 0.0, true),
        ("size too large", sized(1_000_000), 0.0, true),
        (
            "last sample cut",
            Box::new(|sound| {
                let mut bytes = plain(sound);
                bytes.pop();
                bytes
            }),
            0.001,
            true,
        ),
    ];
    for (name, build, tolerance, told) in cases {
        let split = read(&*build).unwrap_or_else(|message| panic!("{name}: {message}"));
        let difference = (&split.train.features - &reference.train.features).abs().max();
        assert!(difference <= tolerance, "{name}: {difference}");
        assert_eq!(split.warnings.len(), if told { 6 } else { 0 }, "{name}: {:?}", split.warnings);
    }
}

#[test]
fn companded_values_follow_the_standard() {
    // G.711's codes of the largest and the smallest values.
    assert_eq!([mu_law(0x80), mu_law(0x00), mu_law(0xff)], [32_124, -32_124, 0]);
    assert_eq!([a_law(0xaa), a_law(0x2a), a_law(0xd5)], [32_256, -32_256, 8]);
}

#[test]
fn an_unreadable_recording_is_refused_with_the_reason() {
    let sound = tone(0);
    let file = |format: Vec<u8>, samples: &[u8]| {
        riff("RIFF", &[chunk("fmt ", &format), chunk("data", samples)])
    };
    let opposed: Vec<u8> = sound.iter().flat_map(|value| pcm(&[*value, -value])).collect();
    let infinite: Vec<u8> = f32::INFINITY.to_le_bytes().repeat(400);
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (file(fmt(1, 1, RATE, 16), &[0; 3200]), "it is silent"),
        (file(fmt(3, 1, RATE, 32), &[0; 3200]), "it is silent"),
        (file(fmt(1, 2, RATE, 16), &opposed), "average of its 2 channels is zero"),
        (file(fmt(1, 1, RATE, 16), &[]), "no samples"),
        (file(fmt(1, 1, RATE, 16), &[7]), "no samples"),
        (file(fmt(3, 1, RATE, 32), &infinite), "not a finite number"),
        (file(fmt(1, 1, 0, 16), &pcm(&sound)), "rate of 0 Hz"),
        (file(fmt(1, 1, 4_000_000_000, 16), &pcm(&sound)), "rate of 4000000000 Hz"),
        (file(fmt(1, 0, RATE, 16), &pcm(&sound)), "0 channels"),
        (file(fmt(1, 1, RATE, 0), &pcm(&sound)), "0 bits"),
        (file(fmt(3, 1, RATE, 16), &pcm(&sound)), "16 bits"),
        (file(fmt(2, 1, RATE, 4), &pcm(&sound)), "ADPCM"),
        (file(fmt(85, 1, RATE, 16), &pcm(&sound)), "MP3"),
        (file(fmt(0x1234, 1, RATE, 16), &pcm(&sound)), "0x1234"),
        (file(vec![1, 0], &pcm(&sound)), "too short"),
        (riff("RIFF", &[chunk("data", &pcm(&sound))]), "`fmt `"),
        (riff("RIFF", &[chunk("fmt ", &fmt(1, 1, RATE, 16))]), "`data`"),
        (riff("RIFX", &[]), "big-endian"),
        (b"ID3\x04 no recording".to_vec(), "not a WAV file"),
        (Vec::new(), "file is empty"),
    ];
    for (bytes, expected) in cases {
        let message = read(&|_| bytes.clone()).unwrap_err();
        assert!(message.contains(expected), "{expected} in {message}");
        assert_eq!(message.contains("silent"), expected.contains("silent"), "{message}");
        assert!(message.contains(".wav"), "{message}");
    }
}
