//! Frames: the packets between two zero bytes on the wire.
//!
//! ```text
//! 0x00 | COBS(header ‖ payload ‖ CRC-32) | 0x00
//! ```
//!
//! The header is 16 bytes, little endian; the CRC is CRC-32/ISO-HDLC (`zlib.crc32`) over header and
//! payload. Consistent overhead byte stuffing (Cheshire & Baker 1999) leaves no zero inside, so a
//! reader that lost synchronisation regains it at the next frame.

pub use crate::checksum::checksum;

/// Version of the protocol that this library speaks.
pub const VERSION: u8 = 1;
/// Bytes of a header.
pub const HEADER_BYTES: usize = 16;
/// Largest frame that this library sends or accepts, in bytes on the wire.
pub const LARGEST_FRAME: usize = 64 * 1024;

const CRC_BYTES: usize = 4;

/// The kind of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Asks the device to identify itself.
    Hello = 0x01,
    /// Asks for a piece of the description.
    Describe = 0x02,
    /// Opens a session.
    Open = 0x03,
    /// Parameters, or a piece of them.
    Configure = 0x04,
    /// Shots to be played.
    Play = 0x05,
    /// Shots in 16-bit codes.
    PlayCodes = 0x06,
    /// Asks for the device's health.
    Ping = 0x07,
    /// Asks for the safe state.
    Safe = 0x08,
    /// The host's proof of the token.
    Proof = 0x09,
    /// Shots to be predicted by the device's twin.
    Predict = 0x0a,
    /// Shots and cotangents of their readings, to be pulled back by the device's twin.
    Vjp = 0x0b,
    /// Shots with the cells of rasters in bits.
    PlaySpikes = 0x0c,
    /// The device in numbers.
    HelloReply = 0x81,
    /// A piece of the description.
    Description = 0x82,
    /// The session is open.
    Opened = 0x83,
    /// The piece of the parameters has been received.
    Configured = 0x84,
    /// Readings of the shots.
    Measured = 0x85,
    /// Readings in 16-bit codes.
    MeasuredCodes = 0x86,
    /// The device's state and counters.
    Health = 0x87,
    /// The safe state has been reached.
    SafeReply = 0x88,
    /// Asks for a proof of the token.
    Challenge = 0x89,
    /// The device's proof of the token; hello is next.
    Proved = 0x8a,
    /// The twin's readings of the shots.
    Predicted = 0x8b,
    /// Cotangents of the shots' drives and parameters.
    Cotangents = 0x8c,
    /// Readings with the cells of rasters in bits.
    MeasuredSpikes = 0x8d,
    /// The device is still playing.
    Busy = 0xfd,
    /// A frame is missing; the header's sequence is the one expected.
    Nak = 0xfe,
    /// A refusal or failure, with a code and a text.
    Error = 0xff,
}

impl Kind {
    const ALL: [Self; 28] = [
        Self::Hello,
        Self::Describe,
        Self::Open,
        Self::Configure,
        Self::Play,
        Self::PlayCodes,
        Self::Ping,
        Self::Safe,
        Self::Proof,
        Self::Predict,
        Self::Vjp,
        Self::PlaySpikes,
        Self::HelloReply,
        Self::Description,
        Self::Opened,
        Self::Configured,
        Self::Measured,
        Self::MeasuredCodes,
        Self::Health,
        Self::SafeReply,
        Self::Challenge,
        Self::Proved,
        Self::Predicted,
        Self::Cotangents,
        Self::MeasuredSpikes,
        Self::Busy,
        Self::Nak,
        Self::Error,
    ];

    fn of(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// The fixed part of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The kind of the frame.
    pub kind: Kind,
    /// The session; 0 before one is open.
    pub session: u16,
    /// Its place in the session.
    pub sequence: u32,
    /// First shot of the batch that the frame carries, modulo 2¹⁶.
    pub first_shot: u16,
    /// Number of shots.
    pub shots: u16,
    /// Values a shot; lines a step of a raster in bits.
    pub channels: u16,
    /// The setting of the parameters that the shots are played with; 0 is none.
    pub epoch: u16,
}

impl Header {
    /// A header of `kind` that carries no shots.
    #[must_use]
    pub fn new(kind: Kind, session: u16, sequence: u32) -> Self {
        Self { kind, session, sequence, first_shot: 0, shots: 0, channels: 0, epoch: 0 }
    }

    /// Values that the frame's shots have together.
    #[must_use]
    pub fn values(&self) -> usize {
        usize::from(self.shots) * usize::from(self.channels)
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend([VERSION, self.kind as u8]);
        bytes.extend(self.session.to_le_bytes());
        bytes.extend(self.sequence.to_le_bytes());
        for field in [self.first_shot, self.shots, self.channels, self.epoch] {
            bytes.extend(field.to_le_bytes());
        }
    }

    fn read(bytes: &[u8; HEADER_BYTES]) -> Option<Self> {
        let word = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        (bytes[0] == VERSION).then_some(())?;
        Some(Self {
            kind: Kind::of(bytes[1])?,
            session: word(2),
            sequence: u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
            first_shot: word(8),
            shots: word(10),
            channels: word(12),
            epoch: word(14),
        })
    }
}

/// Bytes on the wire of a frame with a payload of `payload` bytes.
#[must_use]
pub const fn frame_bytes(payload: usize) -> usize {
    2 + cobs::max_encoding_length(HEADER_BYTES + payload + CRC_BYTES)
}

/// Largest payload of a frame of `frame` bytes on the wire.
#[must_use]
pub const fn largest_payload(frame: usize) -> usize {
    let inside = frame.saturating_sub(2);
    // Each code byte covers 254 others.
    let source = inside - inside.div_ceil(255);
    source.saturating_sub(HEADER_BYTES + CRC_BYTES)
}

/// Writes frames into reused buffers.
#[derive(Default)]
pub struct Encoder {
    plain: Vec<u8>,
    frame: Vec<u8>,
}

impl Encoder {
    /// The frame of `header` and what `payload` appends, as it is on the wire.
    pub fn encode(&mut self, header: &Header, payload: impl FnOnce(&mut Vec<u8>)) -> &[u8] {
        self.plain.clear();
        header.write(&mut self.plain);
        payload(&mut self.plain);
        let sum = checksum(&self.plain);
        self.plain.extend(sum.to_le_bytes());
        self.frame.resize(2 + cobs::max_encoding_length(self.plain.len()), 0);
        let length = cobs::encode(&self.plain, &mut self.frame[1..]);
        self.frame[0] = 0;
        self.frame.truncate(length + 1);
        self.frame.push(0);
        &self.frame
    }

    /// The frame that was written last.
    #[must_use]
    pub fn last(&self) -> &[u8] {
        &self.frame
    }
}

/// A received frame.
#[derive(Debug)]
pub struct Frame<'a> {
    /// Its header.
    pub header: Header,
    /// Its payload.
    pub payload: &'a [u8],
}

/// Pieces that a [`Decoder`] rejected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rejected {
    /// Pieces between zeros that were no valid frame.
    pub frames: u64,
}

/// Finds frames in a stream of bytes. It buffers at most one frame and never panics.
pub struct Decoder {
    bytes: Vec<u8>,
    largest: usize,
    /// The piece is longer than any frame: skip to the next zero.
    overlong: bool,
    rejected: Rejected,
}

impl Decoder {
    /// Reads frames of at most `largest` bytes on the wire.
    #[must_use]
    pub fn new(largest: usize) -> Self {
        Self { bytes: Vec::new(), largest, overlong: false, rejected: Rejected::default() }
    }

    /// Pieces rejected so far.
    #[must_use]
    pub fn rejected(&self) -> Rejected {
        self.rejected
    }

    /// Discards a partial frame, as when the link is reopened.
    pub fn reset(&mut self) {
        self.bytes.clear();
        self.overlong = false;
    }

    /// Reads `bytes` and calls `take` with every valid frame.
    pub fn read(&mut self, bytes: &[u8], mut take: impl FnMut(Frame<'_>)) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let end = rest.iter().position(|byte| *byte == 0);
            let piece = &rest[..end.unwrap_or(rest.len())];
            rest = end.map_or(&[], |end| &rest[end + 1..]);
            if self.overlong || self.bytes.len() + piece.len() > self.largest {
                self.overlong = true;
                self.bytes.clear();
            } else {
                self.bytes.extend_from_slice(piece);
            }
            if end.is_none() {
                return;
            }
            if self.overlong {
                self.overlong = false;
                self.rejected.frames += 1;
            } else if !self.bytes.is_empty() {
                match open(&mut self.bytes) {
                    Some(frame) => take(frame),
                    None => self.rejected.frames += 1,
                }
            }
            self.bytes.clear();
        }
    }
}

/// The frame in the bytes between two zeros.
fn open(bytes: &mut [u8]) -> Option<Frame<'_>> {
    let length = cobs::decode_in_place(bytes).ok()?;
    let body = bytes.get(..length)?;
    let (body, sum) = body.split_at_checked(length.checked_sub(CRC_BYTES)?)?;
    (sum == checksum(body).to_le_bytes()).then_some(())?;
    let (header, payload) = body.split_first_chunk::<HEADER_BYTES>()?;
    Some(Frame { header: Header::read(header)?, payload })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_as_it_was_written_however_it_is_cut() {
        let header = Header {
            first_shot: 3,
            shots: 2,
            channels: 256,
            epoch: 9,
            ..Header::new(Kind::Play, 0x1234, 77)
        };
        let payload: Vec<u8> = (0..2_048).map(|i| (i % 251) as u8).collect();
        let mut encoder = Encoder::default();
        let wire = encoder.encode(&header, |bytes| bytes.extend(&payload)).to_vec();
        assert!(wire.len() <= frame_bytes(payload.len()));
        for cut in [1, 2, 7, 254, 1_000] {
            let mut decoder = Decoder::new(LARGEST_FRAME);
            let mut found = 0;
            for part in wire.chunks(cut) {
                decoder.read(part, |frame| {
                    found += 1;
                    assert_eq!(frame.header, header);
                    assert_eq!(frame.payload, payload);
                });
            }
            assert_eq!((found, decoder.rejected().frames), (1, 0), "pieces of {cut} bytes");
        }
    }

    #[test]
    fn the_largest_payload_fits_its_frame_and_no_larger_one_does() {
        for frame in 64..3_000 {
            let payload = largest_payload(frame);
            assert!(frame_bytes(payload) <= frame, "{frame}");
            assert!(frame_bytes(payload + 1) > frame, "{frame}");
        }
    }

    #[test]
    fn a_damaged_frame_costs_itself_alone() {
        let mut encoder = Encoder::default();
        let frame = encoder.encode(&Header::new(Kind::Ping, 1, 2), |_| {}).to_vec();
        for place in 1..frame.len() - 1 {
            let mut stream = frame.clone();
            stream[place] ^= 0x10;
            stream.extend(&frame);
            let mut found = 0;
            Decoder::new(LARGEST_FRAME).read(&stream, |_| found += 1);
            assert_eq!(found, 1, "byte {place}");
        }
    }
}
