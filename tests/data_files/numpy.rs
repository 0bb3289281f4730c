//! Writes NumPy's files.

use std::io::Write;

use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

/// An NPY file of version 1.
pub fn npy(descr: &str, fortran: bool, shape: &[usize], data: &[u8]) -> Vec<u8> {
    let shape: String = shape.iter().map(|length| format!("{length}, ")).collect();
    let order = if fortran { "True" } else { "False" };
    let mut header =
        format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': ({shape}), }}");
    while (header.len() + 11) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let length = u16::try_from(header.len()).unwrap().to_le_bytes();
    [b"\x93NUMPY\x01\x00", length.as_slice(), header.as_bytes(), data].concat()
}

/// Numbers of double precision.
pub fn f8(shape: &[usize], values: &[f64]) -> Vec<u8> {
    npy(
        "'<f8'",
        false,
        shape,
        &values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>(),
    )
}

/// Whole numbers.
pub fn i8s(values: &[i64]) -> Vec<u8> {
    let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    npy("'<i8'", false, &[values.len()], &data)
}

/// Text of up to four letters.
pub fn text(big: bool, values: &[&str]) -> Vec<u8> {
    let data = values.iter().flat_map(|value| {
        let letters = value.chars().chain(std::iter::repeat('\0')).take(4);
        letters.flat_map(move |letter| {
            let unit = u32::from(letter);
            if big { unit.to_be_bytes() } else { unit.to_le_bytes() }
        })
    });
    let descr = if big { "'>U4'" } else { "'<U4'" };
    npy(descr, false, &[values.len()], &data.collect::<Vec<_>>())
}

/// An archive with arrays by name.
pub fn npz(arrays: &[(&str, Vec<u8>)], deflated: bool) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let mut archive = zip::ZipWriter::new(&mut bytes);
    let method = if deflated { CompressionMethod::Deflated } else { CompressionMethod::Stored };
    for (name, array) in arrays {
        // Like NumPy, with space for sizes of 64 bits.
        let options = SimpleFileOptions::default().compression_method(method).large_file(true);
        archive.start_file(format!("{name}.npy"), options).unwrap();
        archive.write_all(array).unwrap();
    }
    archive.finish().unwrap();
    bytes.into_inner()
}
