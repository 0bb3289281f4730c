//! Decodes a file's bytes: UTF-8 and UTF-16, with and without a byte order mark.

/// Decodes `bytes`, without a byte order mark.
///
/// # Errors
/// In words, for another encoding.
pub(super) fn decode(bytes: Vec<u8>) -> Result<String, String> {
    const SAVE: &str = "save the file as UTF-8";
    if bytes.starts_with(&[0x1f, 0x8b]) {
        return Err("the file is gzipped; unpack it first".to_owned());
    }
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]) {
        return Err("the file is a spreadsheet or an archive, not text; save it as CSV".to_owned());
    }
    match bytes.as_slice() {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => {
            return Err(format!("the text is UTF-32, which is not supported; {SAVE}"));
        }
        [0xff, 0xfe, rest @ ..] => return utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => return utf16(rest, u16::from_be_bytes),
        // Most headers begin with an ASCII character, which has a zero byte in UTF-16.
        [first, 0, _, 0, ..] if *first != 0 => return utf16(&bytes, u16::from_le_bytes),
        [0, first, 0, _, ..] if *first != 0 => return utf16(&bytes, u16::from_be_bytes),
        _ => {}
    }
    let bytes = match bytes.strip_prefix(&[0xef, 0xbb, 0xbf]) {
        Some(rest) => rest.to_vec(),
        None => bytes,
    };
    let text = String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        format!("line {line}: the text is not UTF-8 (perhaps Latin-1 or Windows-1252); {SAVE}")
    })?;
    let text = with_line_feeds(text);
    match text.bytes().position(|byte| byte == 0) {
        Some(place) => {
            let line = 1 + text[..place].matches('\n').count();
            Err(format!(
                "line {line}: it has a zero byte; the file is damaged or not text; save it as UTF-8"
            ))
        }
        None => Ok(text),
    }
}

/// Replaces line ends \r (of old computers) and, in such files, \r\n by \n.
fn with_line_feeds(text: String) -> String {
    let lone = text.bytes().zip(text.bytes().skip(1).chain([b'\n']));
    if lone.filter(|&(byte, next)| byte == b'\r' && next != b'\n').count() == 0 {
        return text;
    }
    text.replace("\r\n", "\n").replace('\r', "\n")
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let text: Result<String, _> =
        char::decode_utf16(pairs.iter().map(|&pair| unit(pair))).collect();
    match text {
        Ok(text) if rest.is_empty() && !text.contains('\0') => Ok(with_line_feeds(text)),
        _ => Err("the text begins as UTF-16, but is damaged; save the file as UTF-8".to_owned()),
    }
}
