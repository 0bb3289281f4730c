//! The cells of a raster in bits: cell i of a shot is bit i mod 8 of byte ⌊i / 8⌋, bit 0 the lowest. The bits behind
//! the last cell are zero.

/// Bytes of `cells` cells.
pub(super) const fn bytes(cells: usize) -> usize {
    cells.div_ceil(8)
}

/// Appends `cells`, 0 or 1 each.
pub(super) fn write(cells: &[f32], bytes: &mut Vec<u8>) {
    bytes.extend(cells.chunks(8).map(|eight| {
        let bits = eight.iter().zip(0..).map(|(cell, place)| u8::from(*cell != 0.0) << place);
        bits.fold(0, |byte, bit| byte | bit)
    }));
}

/// Reads the [`bytes`] of as many cells as `cells` holds; false where a bit stands behind the last one.
#[must_use]
pub(super) fn read(bytes: &[u8], cells: &mut [f32]) -> bool {
    for (eight, byte) in cells.chunks_mut(8).zip(bytes) {
        for (cell, place) in eight.iter_mut().zip(0..) {
            *cell = f32::from((byte >> place) & 1);
        }
    }
    let behind = (8 * bytes.len()).saturating_sub(cells.len());
    bytes.last().is_none_or(|last| last.leading_zeros() as usize >= behind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_come_back_from_bits_and_bits_behind_them_are_refused() {
        for count in 1..40 {
            let cells: Vec<f32> =
                (0..count).map(|cell| f32::from(u8::from(cell * cell % 7 < 3))).collect();
            let mut packed = Vec::new();
            write(&cells, &mut packed);
            assert_eq!(packed.len(), bytes(count));
            let mut back = vec![f32::NAN; count];
            assert!(read(&packed, &mut back), "{count} cells");
            assert_eq!(back, cells);
            for place in count..8 * packed.len() {
                let mut stray = packed.clone();
                stray[place / 8] |= 1 << (place % 8);
                assert!(!read(&stray, &mut back), "bit {place} behind {count} cells");
            }
        }
    }

    #[test]
    fn the_first_cell_is_the_lowest_bit_of_the_first_byte() {
        let mut packed = Vec::new();
        write(&[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0], &mut packed);
        assert_eq!(packed, [0x81, 0x02]);
    }
}
