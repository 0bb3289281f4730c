//! The checksum of frames and of recordings.

use crc::{CRC_32_ISO_HDLC, Crc, Table};

const CRC_32: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISO_HDLC);

/// CRC-32/ISO-HDLC of `bytes`, that of `zlib.crc32`.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u32 {
    CRC_32.checksum(bytes)
}
